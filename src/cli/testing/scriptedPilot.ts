import type { Client } from '../../contract/client.ts'
import type { ClaimReply, Report } from '../../contract/pilots.ts'

export type ClaimedJob = ClaimReply['jobs'][number]

let pilots = 0

/** A pilot of which a test says every word. */
export const scriptedPilot = async (client: Client, has: { memoryMb?: number } = {}) => {
  const name = `pilot-${++pilots}`
  const { pilotId, epoch } = await client.call('registerPilot', {
    body: { name, queue: 'local', slots: 100, host: 'node-7', version: '1', ...has },
  })
  let claimSeq = 0
  const claim = async (jobs = 100): Promise<ClaimedJob[]> => {
    const body = { epoch, claimSeq: ++claimSeq, cores: 100, jobs, waitSeconds: 5 }
    return (await client.call('claim', { params: { id: pilotId }, body })).jobs
  }
  const report = (job: ClaimedJob, what: Omit<Report, 'jobId' | 'attempt'>) =>
    client.call('report', {
      params: { id: pilotId },
      body: { epoch, reports: [{ jobId: job.jobId, attempt: job.attempt, ...what }] },
    })
  return {
    pilotId,
    claim,
    report,
    finish: (job: ClaimedJob, value: unknown = null) =>
      report(job, { what: 'finished', value: { text: JSON.stringify(value) }, startedAt: new Date().toISOString() }),
    print: async (job: ClaimedJob, stream: 'stdout' | 'stderr', text: string, offset = 0) => {
      const { jobId, attempt } = job
      await client.call('sendLogs', {
        params: { id: pilotId },
        body: { epoch, chunks: [{ jobId: jobId as `j${number}`, attempt, stream, offset, text }] },
      })
    },
    tell: async (job: ClaimedJob, name: string, values: (number | 'NaN')[], done: number, total?: number) => {
      const of = { jobId: job.jobId as `j${number}`, attempt: job.attempt }
      const metrics = values.map((value, step) => ({ ...of, name, step, value }))
      const progress = [{ ...of, done, total, text: 'fitting' }]
      await client.call('sendTold', { params: { id: pilotId }, body: { epoch, metrics, progress } })
    },
    leave: () => client.call('leavePilot', { params: { id: pilotId }, body: { epoch } }),
  }
}
