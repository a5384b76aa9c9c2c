export type HeldJob = { jobId: number; sentAt: Date; startedAt: Date | null; lostAfterSeconds: number | null }

export type Rescue = { lost: number[]; nextLookAt: Date | null }

/**
 * Which jobs of a silent pilot are given up now, and when to look again. Short work is lost after a minute; long work may wait a tenth of the time already
 * spent, at most two hours: running it again costs more than waiting. A task may say otherwise.
 */
export const decideRescue = (jobs: readonly HeldJob[], silentSince: Date, now: Date): Rescue => {
  const lost: number[] = []
  let nextLookAt: Date | null = null
  for (const job of jobs) {
    const at = lostAt(job, silentSince)
    if (at <= now) lost.push(job.jobId)
    else if (nextLookAt === null || at < nextLookAt) nextLookAt = at
  }
  return { lost, nextLookAt }
}

const lostAt = (job: HeldJob, silentSince: Date): Date => {
  const elapsed = (silentSince.getTime() - (job.startedAt ?? job.sentAt).getTime()) / 1000
  const patience = job.lostAfterSeconds ?? Math.min(7200, Math.max(60, elapsed / 10))
  return new Date(silentSince.getTime() + patience * 1000)
}
