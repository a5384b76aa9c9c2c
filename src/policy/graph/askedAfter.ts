/** What was asked for, as a journal has it, in its order. `seen` tells what its program had been told since the entry before. */
export type Asked = { taskId: number | null; seen: string | null }

/** What was asked for after what: a task leans on what was told last before it was asked for, since that is what led to it. */
export const askedAfter = (entries: readonly Asked[]): Map<number, readonly number[]> => {
  const after = new Map<number, readonly number[]>()
  let told = 0
  let last: readonly number[] = []
  for (const { taskId, seen } of entries) {
    const { from, items } = readSeen(seen)
    const fresh = items.slice(Math.max(0, told - from))
    told = Math.max(told, from + items.length)
    const tasks = [...new Set(fresh.flatMap(taskIn))]
    if (tasks.length > 0) last = tasks
    if (taskId !== null) after.set(taskId, last)
  }
  return after
}

/** `[FROM, item, …]`: items from that place on; some may be known from entries before. Its writer is a user's program, which may have written anything. */
const readSeen = (seen: string | null): { from: number; items: unknown[] } => {
  const nothing = { from: 0, items: [] }
  if (!seen) return nothing
  try {
    const [from, ...items] = JSON.parse(seen) as unknown[]
    return typeof from === 'number' ? { from, items } : nothing
  } catch {
    return nothing
  }
}

/** "t34" is complete, ["t35", 3, 1] handed out one by one, "t35!7" failed; records and errors of our own name no task. */
const taskIn = (item: unknown): number[] => {
  const [name] = Array.isArray(item) ? item : [item]
  const [, id] = /^t([1-9]\d{0,14})(?:!\d+)?$/.exec(String(name)) ?? []
  return id ? [Number(id)] : []
}
