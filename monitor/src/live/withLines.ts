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

const fits = (line: WorkflowLine, { state, owner, program, run }: WorkflowFilter): boolean =>
  (!state || line.state === state) &&
  (!owner || line.owner === owner) &&
  (!program || line.program === program) &&
  (!run || line.run === run)
