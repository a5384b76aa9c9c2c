import type { JournalEntry } from '../../../src/contract/workflows.ts'

/**
 * What was asked for after what, as the journal of a program has it: each entry tells, in `seen`, what its program had been told since the entry before. A task that was
 * asked for leans on what was told last before it: that is what led to it.
 */
export const askedAfter = (entries: readonly JournalEntry[]): Map<string, readonly string[]> => {
  const after = new Map<string, readonly string[]>()
  let told = 0
  let last: readonly string[] = []
  for (const { taskId, seen } of entries) {
    const { from, items } = readSeen(seen)
    const fresh = items.slice(Math.max(0, told - from))
    told = Math.max(told, from + items.length)
    const tasks = [...new Set(fresh.flatMap(taskIn))]
    if (tasks.length > 0) last = tasks
    if (taskId) after.set(taskId, last)
  }
  return after
}

/** `[FROM, item, …]`: items from that place on; some may be known from entries before. */
const readSeen = (seen: string | null): { from: number; items: unknown[] } => {
  if (!seen) return { from: 0, items: [] }
  const [from, ...items] = JSON.parse(seen) as [number, ...unknown[]]
  return { from, items }
}

/** "t34" is complete, ["t35", 3, 1] handed out one by one, "t35!7" failed; records and errors of our own name no task. */
const taskIn = (item: unknown): string[] => {
  const [name] = Array.isArray(item) ? item : [item]
  const [, id] = /^(t[1-9]\d*)(?:!\d+)?$/.exec(String(name)) ?? []
  return id ? [id] : []
}
