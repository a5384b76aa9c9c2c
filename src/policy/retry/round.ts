/** A job that rests as failed or cancelled, with those of its parents for which it waits still; `isLost`: so rests that one. `waitsForTasks`: so does its task, or it is released and has not come to this one yet. */
export type LostJob = { id: number; waitsForTasks: boolean; parents: { id: number; isLost: boolean }[] }

export type AgainJob = { id: number; unmet: number }

/**
 * Who of these begins a new round, and for how many it waits first: those whose parents are all under way, or come back with them. What waits for something that has ended
 * badly would wait for ever; it comes back with that. The tasks that theirs waits for count as one.
 */
export const whoRunsAgain = (jobs: readonly LostJob[]): AgainJob[] => {
  const again = new Map<number, AgainJob>()
  // Parents were there before their children, and have lower ids.
  for (const { id, waitsForTasks, parents } of [...jobs].sort((a, b) => a.id - b.id))
    if (parents.every((parent) => !parent.isLost || again.has(parent.id)))
      again.set(id, { id, unmet: parents.length + (waitsForTasks ? 1 : 0) })
  return [...again.values()]
}
