/**
 * The text of one member of a JSON object, as it was written: parsed and written again, 1.0 would become 1, and a long number another one. `json` must be well-formed and
 * an object; of members of the same name the last counts, as for `JSON.parse`. Undefined when there is none.
 */
export const memberText = (json: string, name: string): string | undefined => {
  let found: string | undefined
  for (let at = next(json, json.indexOf('{') + 1); json[at] !== '}'; at = next(json, at)) {
    const colon = endOfString(json, at)
    const begin = next(json, colon)
    const end = endOfValue(json, begin)
    if (JSON.parse(json.slice(at, colon)) === name) found = json.slice(begin, end)
    at = end
  }
  return found
}

/** The next character that says something. */
const next = (json: string, from: number): number => {
  let at = from
  while (' \t\r\n,:'.includes(json[at]!)) at++
  return at
}

const endOfString = (json: string, from: number): number => {
  let at = from + 1
  while (json[at] !== '"') at += json[at] === '\\' ? 2 : 1
  return at + 1
}

const endOfValue = (json: string, from: number): number => {
  let at = from
  let depth = 0
  do {
    if ('{['.includes(json[at]!)) depth++
    else if ('}]'.includes(json[at]!)) depth--
    at = json[at] === '"' ? endOfString(json, at) : at + 1
  } while (depth > 0 || !' \t\r\n,:]}'.includes(json[at]!))
  return at
}
