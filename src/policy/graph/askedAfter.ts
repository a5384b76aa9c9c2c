/** What was asked for, as a journal has it, in its order. `seen` tells what its program had been told since the entry before. */
export type Asked = { taskId: number | null; seen: string | null }

/** What was asked for after what: a task leans on what was told last before it was asked for, since that is what led to it. */
export const askedAfter = (entries: readonly Asked[]): Map<number, readonly number[]> => {
  const after = new Map<number, readonly number[]>()
  let told = 0
  let last: readonly number[] = []
  for (const { taskId, seen } of entries) {
    if (seen) {
      const { from, items } = readSeen(seen)
      const tasks = tasksIn(items, told - from)
      told = Math.max(told, from + items.length)
      if (tasks.length > 0) last = tasks
    }
    if (taskId !== null) after.set(taskId, last)
  }
  return after
}

/** `[FROM, item, …]`: items from that place on; some may be known from entries before. Its writer is a user's program, which may have written anything. */
const readSeen = (seen: string): { from: number; items: unknown[] } => {
  try {
    const items: unknown = JSON.parse(seen)
    if (Array.isArray(items) && typeof items[0] === 'number') return { from: items.shift(), items }
  } catch {}
  return { from: 0, items: [] }
}

/** Each once, of the items from that place on. */
const tasksIn = (items: readonly unknown[], begin: number): number[] => {
  const tasks = new Set<number>()
  for (let i = Math.max(0, begin); i < items.length; i++) {
    const id = taskIn(items[i])
    if (id !== undefined) tasks.add(id)
  }
  return [...tasks]
}

/** "t34" is complete, ["t35", 3, 1] handed out one by one, "t35!7" failed; records and errors of our own name no task. */
const taskIn = (item: unknown): number | undefined => {
  const name: unknown = Array.isArray(item) ? item[0] : item
  const id = typeof name === 'string' ? /^t([1-9]\d{0,14})(?:!\d+)?$/.exec(name)?.[1] : undefined
  return id === undefined ? undefined : Number(id)
}
