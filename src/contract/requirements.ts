/** Options that a lock file may have: where packages come from, and how they are chosen. */
const allowedOptions = [
  ...['-i', '--index-url', '--extra-index-url', '--no-index', '-f', '--find-links', '--trusted-host'],
  ...['--only-binary', '--no-binary', '--prefer-binary', '--require-hashes', '--pre'],
]

/** `name==1.2`, `name[extra]===1.2 ; python_version > "3"`. A star in the version would be any. */
const pinned = /^[A-Za-z0-9][\w.-]* ?(?:\[[^\]]*\])? ?={2,3} ?[^ *;,]+ ?(?:;.*)?$/

/** An address of one file, or of one commit. */
const addressed = /^(?:[A-Za-z0-9][\w.-]* ?(?:\[[^\]]*\])? ?@ ?)?(?:https?|file):\/\/[^ ]+(?: ;.*)?$/
const committed =
  /^(?:[A-Za-z0-9][\w.-]* ?(?:\[[^\]]*\])? ?@ ?)?(?:git|hg)\+\w+:\/\/[^ ]+@[0-9a-f]{7,40}(?:#[^ ]*)?(?: ;.*)?$/

/** Why this is no lock file of pip, in a sentence that names the line; undefined when it is one. The same text must give the same packages tomorrow. */
export const problemOfRequirements = (text: string): string | undefined => {
  for (const { number, line } of linesOf(text)) {
    const why = problemOfLine(line)
    if (why) return `requirements, line ${number}: ${line.slice(0, 100)}: ${why}`
  }
  return undefined
}

const problemOfLine = (line: string): string | undefined => {
  if (/https?:\/\/[^/\s]*@/.test(line))
    return 'an address with a password or token in it would be read by all who see the task: have the index let you in without'
  if (line.startsWith('-')) {
    const option = /^-\w|^--[\w-]+/.exec(line)?.[0] ?? line
    if (allowedOptions.includes(option)) return undefined
    return `${option} is not taken: a lock file names no other files and no sources to edit; write out what is in them`
  }
  const what = line
    .replace(/\s--hash[= ]\S+/g, '')
    .replace(/\s+/g, ' ')
    .trim()
  if ([pinned, addressed, committed].some((form) => form.test(what))) return undefined
  return 'it names no single version (name==1.2.3): pip freeze, pip-compile and uv pip compile write lock files'
}

/** Without comments and empty lines; what ends with a backslash goes on in the next. */
const linesOf = (text: string): { number: number; line: string }[] => {
  const lines: { number: number; line: string }[] = []
  let begun: { number: number; line: string } | undefined
  text.split(/\r?\n/).forEach((written, n) => {
    const part = written.replace(/(^|\s)#.*$/, '$1')
    const line = `${begun?.line ?? ''}${part.replace(/\\$/, ' ')}`
    const at = { number: begun?.number ?? n + 1, line }
    begun = part.endsWith('\\') ? at : undefined
    if (!begun && line.trim() !== '') lines.push({ ...at, line: line.trim() })
  })
  return begun ? [...lines, begun] : lines
}
