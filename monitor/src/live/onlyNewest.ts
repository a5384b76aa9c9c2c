import type { Task } from '../../../src/contract/tasks.ts'
import { numberIn } from '../words/ids.ts'

/** Tasks by their ids; `marks` are places to read on from: of the last task of each page, the cursor of what is earlier. */
export type Known = { byId: Map<Task['id'], Task>; marks: Map<Task['id'], string> }

/** Forgets those before a mark when there are more than `most`, and gives its cursor: what is earlier can be read again from there. */
export const onlyNewest = ({ byId, marks }: Known, most: number): string | undefined => {
  const tooMany = byId.size - most
  if (tooMany <= 0) return undefined
  const ids = [...byId.keys()].sort((a, b) => numberIn(a) - numberIn(b))
  const first = ids.findIndex((id, i) => i >= tooMany && marks.has(id))
  if (first < 0) return undefined
  for (const id of ids.slice(0, first)) {
    byId.delete(id)
    marks.delete(id)
  }
  return marks.get(ids[first]!)
}
