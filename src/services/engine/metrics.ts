import {
  counter,
  gauge,
  histogram,
  type Instruments,
  noInstruments,
  secondsBuckets,
  sizeBuckets,
} from '../../lib/metrics.ts'

/** What servers and agents tell those who watch them; docs/reference/metrics.md lists them. */
export const serverMetrics = {
  requestSeconds: histogram(
    'culm_request_seconds',
    'Time to answer a request, s. Claims and logs are held open on purpose.',
    ['route', 'status'],
    secondsBuckets,
  ),
  tasksSubmitted: counter('culm_tasks_submitted_total', 'Tasks that were submitted and taken', []),
  jobsSubmitted: counter('culm_jobs_submitted_total', 'Jobs that came with them, or were added later', []),
  jobsClaimed: counter('culm_jobs_claimed_total', 'Jobs that were given to pilots', []),
  reports: counter('culm_reports_total', 'What pilots reported of jobs, by how it was answered', ['what', 'answer']),
  batchItems: histogram(
    'culm_batch_items',
    'How many items went into one transaction together',
    ['batch'],
    sizeBuckets,
  ),
  batchWaitSeconds: histogram(
    'culm_batch_wait_seconds',
    'How long the first item of a batch waited for its turn, s',
    ['batch'],
    secondsBuckets,
  ),
  agentSeconds: histogram('culm_agent_seconds', 'Time that an agent took for one page, s', ['agent'], secondsBuckets),
  agentLagSeconds: histogram(
    'culm_agent_lag_seconds',
    'How much later than it meant to an agent looked, s',
    ['agent'],
    secondsBuckets,
  ),
  agentFailures: counter('culm_agent_failures_total', 'Pages that an agent could not do, and tries again', ['agent']),
  streams: gauge('culm_streams', 'Clients that listen to a workflow, or look at an experiment, at this server', []),
  databaseConnections: gauge('culm_database_connections', 'Connections of this process to the database', ['state']),
  databaseWaiting: gauge('culm_database_waiting', 'Statements and transactions that wait for a connection', []),
  jobs: gauge('culm_jobs', 'Jobs by state, as the counters have them (a fold behind, at most some seconds)', [
    'queues',
    'share',
    'state',
  ]),
  pilots: gauge('culm_pilots', 'Pilots by state', ['queue', 'state']),
  slots: gauge('culm_slots', 'Cores that the online pilots may use', ['queue']),
  timersLagSeconds: gauge('culm_timer_lag_seconds', 'How long the oldest due timer has waited to be looked at, s', []),
  transactionSeconds: gauge('culm_transaction_seconds', 'Age of the oldest transaction that still runs, s', []),
  horizonTransactions: gauge(
    'culm_horizon_transactions',
    'Transactions that began after the oldest one still running: streams cannot pass that one',
    [],
  ),
  countersWaiting: gauge('culm_counter_deltas', 'Counter deltas that are not folded yet (looked at up to 10,000)', []),
} as const

export type ServerMetrics = Instruments<typeof serverMetrics>
export const noServerMetrics: ServerMetrics = noInstruments(serverMetrics)

/** What a batcher tells of its batches, under its name. */
export const batchWatch =
  ({ batchItems, batchWaitSeconds }: ServerMetrics, batch: string) =>
  (items: number, waitSeconds: number): void => {
    batchItems.observe(items, batch)
    batchWaitSeconds.observe(waitSeconds, batch)
  }
