/** Of whole tasks that are to be moved: those whose jobs fit into one transaction together, and those that are gone through page by page afterwards. */
export const splitBySize = <Task extends { jobs: number }>(
  tasks: readonly Task[],
  jobsAtOnce: number,
): { atOnce: Task[]; later: Task[] } => {
  const [atOnce, later]: [Task[], Task[]] = [[], []]
  let left = jobsAtOnce
  for (const task of tasks) {
    const fits = task.jobs <= left
    if (fits) left -= task.jobs
    ;(fits ? atOnce : later).push(task)
  }
  return { atOnce, later }
}
