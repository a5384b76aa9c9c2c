import type { WorkflowLine } from '../../../src/contract/frames.ts'
import type { Workflow } from '../../../src/contract/workflows.ts'
import type { WorkflowFilter } from '../api/queries.ts'
import { numberIn } from '../words/ids.ts'

export type Page<T> = { items: T[]; next: string | null }

/** The first page of a list as it is with these lines: who fits stays or comes, who does not goes. */
export const withLines = (
  { items, next }: Page<Workflow>,
  lines: ReadonlyMap<string, WorkflowLine>,
  filter: WorkflowFilter,
  most: number,
): Workflow[] => {
  const known = new Set(items.map(({ id }) => id))
  const last = items.at(-1)
  const isOnPage = ({ id }: WorkflowLine) => next === null || !last || numberIn(id) > numberIn(last.id)
  const come = [...lines.values()]
    .filter((line) => !known.has(line.id) && fits(line, filter) && isOnPage(line))
    .map((line): Workflow => ({ ...line, value: null, error: null }))
  const stay = items
    .map((item): Workflow => ({ ...item, ...lines.get(item.id) }))
    .filter((item) => !lines.has(item.id) || fits(item, filter))
  if (come.length === 0) return stay
  return [...come, ...stay].sort((a, b) => numberIn(b.id) - numberIn(a.id)).slice(0, most)
}

/** As the server filters its lists. */
const fits = (line: WorkflowLine, f: WorkflowFilter): boolean =>
  (f.state === undefined || [f.state].flat().includes(line.state)) &&
  (!f.owner || line.owner === f.owner) &&
  (!f.program || line.program === f.program) &&
  (!f.run || line.run === f.run) &&
  (!f.text || line.name.toLowerCase().includes(f.text.toLowerCase())) &&
  [f.label ?? []].flat().every((label) => hasLabel(line, label)) &&
  (!f.since || Date.parse(line.createdAt) >= Date.parse(f.since)) &&
  (!f.until || Date.parse(line.createdAt) < Date.parse(f.until))

const hasLabel = ({ labels }: WorkflowLine, label: string): boolean => {
  const at = label.indexOf('=')
  return labels[label.slice(0, at)] === label.slice(at + 1)
}
