import type { AttemptCause } from '../../domain/job/causes.ts'

/** A task has at most so many kinds of failure of its own. */
export const mostPerTask = 50

/** Of a task whose messages are all different every further failure is one of these, so that what is kept stays small whatever users write. */
export const others = { fingerprint: 'Others: too many kinds', text: 'other errors, each of them different' }

type One = { taskId: number; cause: AttemptCause; fingerprint: string; text: string }

/** What of the new ones is told apart. `known`: fingerprints by task, of all causes; those that come to it are added there. */
export const bounded = <T extends One>(rows: readonly T[], known: Map<number, Set<string>>): T[] =>
  rows.map((row) => {
    const its = known.get(row.taskId) ?? new Set()
    known.set(row.taskId, its)
    const key = keyOf(row)
    if (!its.has(key) && its.size >= mostPerTask) return { ...row, ...others }
    its.add(key)
    return row
  })

export const keyOf = ({ cause, fingerprint }: Pick<One, 'cause' | 'fingerprint'>): string => `${cause} ${fingerprint}`
