export type HeldJob = { jobId: number; sentAt: Date; startedAt: Date | null; lostAfterSeconds: number | null }

export type SilentPilot = {
  jobs: readonly HeldJob[]
  /** From when on its silence counts: time in which nobody could hear it is not in it. */
  silentSince: Date
  /** Its queue's patience, where the task has none of its own. */
  lostAfterSeconds: number | null
  /** Since when the process is away that heard it last, while others can hear; null when that one is here. */
  serverAwaySince: Date | null
}

export type Rescue = { lost: number[]; nextLookAt: Date | null }

/**
 * A pilot whose own server is away has to find another one first, and what it runs is probably well: it has at least so long from when that went, s. Long enough
 * for a restart on another machine; a server that is gone for good must not keep its pilots' jobs.
 */
const strandedSeconds = 600

/** Which jobs of a silent pilot are given up now, and when to look again. */
export const decideRescue = (pilot: SilentPilot, now: Date): Rescue => {
  const lost: number[] = []
  let nextLookAt: Date | null = null
  for (const job of pilot.jobs) {
    const at = lostAt(job, pilot)
    if (at <= now) lost.push(job.jobId)
    else if (nextLookAt === null || at < nextLookAt) nextLookAt = at
  }
  return { lost, nextLookAt }
}

const lostAt = (job: HeldJob, { silentSince, lostAfterSeconds, serverAwaySince }: SilentPilot): Date => {
  const patience = job.lostAfterSeconds ?? lostAfterSeconds ?? patienceFor(job, silentSince)
  const at = silentSince.getTime() + patience * 1000
  const stranded = serverAwaySince ? serverAwaySince.getTime() + strandedSeconds * 1000 : 0
  return new Date(Math.max(at, stranded))
}

/**
 * Short work is lost after a minute; long work may wait a tenth of the time already spent, at most two hours: running it again costs more than waiting. The start
 * is told by the pilot's clock, which may be wrong: it was not before the job was sent.
 */
const patienceFor = ({ sentAt, startedAt }: HeldJob, silentSince: Date): number => {
  const began = Math.max(sentAt.getTime(), startedAt?.getTime() ?? 0)
  return Math.min(7200, Math.max(60, (silentSince.getTime() - began) / 10_000))
}
