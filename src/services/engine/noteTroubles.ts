import type { RemoteError } from '../../contract/jobs.ts'
import type { AttemptCause } from '../../domain/job/causes.ts'
import { type Kind, kindOf } from '../../policy/trouble/fingerprint.ts'
import type { Db } from '../../store/db.ts'
import { appendTroubles, type TroubleDelta } from '../../store/troubles.ts'

/** An attempt that failed or was lost. */
export type FailedAttempt = {
  taskId: number
  jobId: number
  attempt: number
  pilotId: number
  cause: AttemptCause
  error: RemoteError
}

/** So many jobs of one row are named. */
const mostJobs = 10

/** Appends what went wrong in a transaction: a row for each kind of failure of a task at a pilot, however many of its jobs met it. */
export const noteTroubles = (tx: Db, failed: readonly FailedAttempt[], now: Date) => {
  const kinds = new Map<string, Kind>()
  const rows = new Map<string, TroubleDelta>()
  for (const { taskId, pilotId, cause, error, jobId, attempt } of failed) {
    const { type, message } = error
    const said = JSON.stringify([cause, type, message])
    const kind = kinds.get(said) ?? kindOf({ cause, type, message })
    kinds.set(said, kind)
    const key = JSON.stringify([taskId, pilotId, cause, kind.fingerprint])
    const row = rows.get(key) ?? { ...kind, taskId, pilotId, attempts: 0, jobs: [], at: now }
    row.attempts++
    if (row.jobs.length < mostJobs) row.jobs.push({ jobId, attempt })
    rows.set(key, row)
  }
  return appendTroubles(tx, [...rows.values()])
}
