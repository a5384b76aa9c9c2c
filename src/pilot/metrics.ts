import {
  counter,
  gauge,
  histogram,
  type Instruments,
  noInstruments,
  secondsBuckets,
  sizeBuckets,
} from '../lib/metrics.ts'

/** What a pilot tells those who watch it; docs/reference/metrics.md lists them. */
export const pilotMetrics = {
  attempts: counter('culm_pilot_attempts_total', 'Attempts that ended here, by how', ['end']),
  attemptSeconds: histogram(
    'culm_pilot_attempt_seconds',
    'Time from the claim of a job to the end of its attempt here, s',
    ['end'],
    secondsBuckets,
  ),
  held: gauge('culm_pilot_held_jobs', 'Jobs that this pilot holds, by phase', ['phase']),
  slots: gauge('culm_pilot_slots', 'Cores that this pilot may use', []),
  slotsTaken: gauge('culm_pilot_slots_taken', 'Cores that its jobs take now', []),
  reportsWaiting: gauge('culm_pilot_reports_waiting', 'Reports that the server has not acknowledged yet', []),
  batchItems: histogram('culm_pilot_batch_items', 'How many reports went in one request', ['batch'], sizeBuckets),
  batchWaitSeconds: histogram(
    'culm_pilot_batch_wait_seconds',
    'How long the first report of a request waited, s',
    ['batch'],
    secondsBuckets,
  ),
} as const

export type PilotMetrics = Instruments<typeof pilotMetrics>
export const noPilotMetrics: PilotMetrics = noInstruments(pilotMetrics)
