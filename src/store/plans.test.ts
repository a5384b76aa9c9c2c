import pg from 'pg'
import { beforeAll, describe, expect, test } from 'vitest'
import { freshDatabase } from '../../test/support/database.ts'
import { type JobState, jobStates } from '../domain/job/states.ts'
import { checkpointsOf } from './checkpoints.ts'
import { claimedBefore, claimReady, claimResumes, dropUnclaimable } from './claims.ts'
import { foldTaskDeltas } from './counters.ts'
import { addCurvePoints, curveOf, thinCurves } from './curves.ts'
import { type Db, type Sql, sql } from './db.ts'
import {
  childrenOf,
  decrementUnmet,
  edgesOf,
  insertEdges,
  lockParents,
  pendingJobsOf,
  releaseTaskEdges,
  taskChildren,
  tasksFreedBy,
  withMoreChildrenThan,
} from './edges.ts'
import { nextChildren } from './families.ts'
import { endedBetween, historyOfWorkflowSince, storyOfJob, storyOfWorkflow } from './history.ts'
import * as jobs from './jobs.ts'
import { insertLogs } from './logs.ts'
import * as pilots from './pilots.ts'
import * as retry from './retry.ts'
import { troubleHits } from './search.ts'
import { pendingJobs, type SweepRow } from './sweeps.ts'
import { insertJobs, insertTasks, type NewTaskRow } from './tasks.ts'
import { setTimers } from './timers.ts'
import * as told from './told.ts'
import * as troubles from './troubles.ts'
import { foldUsageDeltas } from './usage.ts'
import { jobEntries, usesOfJobs } from './views.ts'

/**
 * A plan is made once per connection, by what is known of the tables then: often nothing, or what was true when they were empty. So each hot statement is planned
 * with four pasts and run with a batch of 1,000, and must look at no more rows than it has work for. (A stopwatch would not tell: quadratic
 * plans pass every test with three rows.)
 */
const batch = 1000

/** Rows that all parts of a plan may look at together, for each of the batch. The statements have some twenty parts. */
const mostRowsEach = 60

const now = new Date('2030-01-01T00:00:00Z')

/** Five hundred moves before the end of the history; its transaction is known once it was filled. */
const place = { xid: '0', seq: 49_500 }
const ids = Array.from({ length: batch }, (_, i) => i + 1)
const ready = ids.map((id) => id + batch)
const pending = ids.map((id) => id + 2 * batch)
const release: SweepRow = {
  workflowId: 1,
  taskId: 1,
  what: 'release',
  after: -1,
  until: 11_999,
  priority: null,
  why: '',
}
const taskEdges = ids.map((_, i) => ({ parentId: 1 + (i % 50), childId: 51 + Math.floor(i / 50) }))

/** Jobs 1 to 1,000 are held by pilot 1, the next are ready, the next wait for a parent each; 9,000 more are held by pilot 2. */
const fill = `
  insert into person (experiment_id, name, created_at) values (1, 'p', now());
  insert into workflow (experiment_id, owner_id, team_id, name, kind, state, driver_epoch, created_at)
    select 1, 1, 1, 'w', 'function', 'running', 1, now() from generate_series(1, 50);
  insert into class (cores, memory_mb) values (1, 0) on conflict do nothing;
  insert into lane (purpose, queue_ids, share_id, class_id) select 'work', '{1}', 1, id from class where cores = 1 and memory_mb = 0 on conflict do nothing;
  insert into pilot (queue_id, name, host, version, slots, epoch, state, started_at, seen_at, lease_until, silent_since)
    select 1, 'p' || i, 'h', '0', 2, 1, 'online', now(), now(), now(), now() from generate_series(1, 2) i;
  insert into task (workflow_id, experiment_id, owner_id, name, state, closed, jobs, payload, lane_id, cores, priority, attempts_user, attempts_site, attempts_lost, created_at)
    select 1, 1, 1, 't', 'running', false, 12000, '{}', 1, 1, 1000, 1, 3, 5, now() from generate_series(1, 100);
  insert into job (id, task_id, workflow_id, index, lane_id, state, attempt, unmet, has_children)
    select i, 1, 1, i - 1, 1, case when i between 1001 and 2000 then 'activated' when i between 2001 and 3000 then 'pending' else 'running' end,
           case when i between 1001 and 3000 then 0 else 1 end, case when i between 2001 and 3000 then 1 else 0 end, false
    from generate_series(1, 12000) i;
  insert into spec (job_id, args) select id, '{}' from job;
  insert into ready (lane_id, rank, job_id) select 1, (7000::bigint << 40) | id, id from job where state = 'activated';
  insert into held (job_id, pilot_id, epoch, attempt, claim_seq, sent_at) select id, case when id <= 1000 then 1 else 2 end, 1, 1, id % 100, now() from job where state = 'running';
  insert into edge (parent_id, child_id) select i, i + 2000 from generate_series(1, 1000) i;
  insert into task_edge (parent_id, child_id) select 1 + i % 50, 51 + i / 50 from generate_series(0, 999) i;
  insert into retry (workflow_id, task_id, orphans, why, at) select 1 + i % 50, 1 + i % 100, false, '', now() from generate_series(1, 10000) i;
  insert into call (workflow_id, scope, key, epoch, task_id) select 1, i, 'k', 1, 1 from generate_series(1, 1000) i;
  insert into call (workflow_id, scope, key, epoch, task_id) select 1, 0, 'old' || i, 1, 1 from generate_series(1, 10000) i;
  insert into attempt (job_id, attempt, ending, pilot_id, sent_at, ended_at) select i, 1, 'lost', 1, now(), now() from generate_series(20001, 30000) i;
  insert into history (at, noun, id, workflow_id, from_state, to_state, trigger)
    select now(), case when i % 100 = 0 then 'task' else 'job' end, i % 5000, 1 + i % 50, 'running', 'finished', 'succeeded' from generate_series(1, 50000) i;
  insert into metric (job_id, attempt, name, step, value, at) select i % 1000 + 1, 1, 'loss', i, 1, now() from generate_series(1, 100000) i;
  insert into progress (job_id, attempt, done, at) select i, 1, 1, now() from generate_series(501, 5000) i;
  insert into checkpoint (job_id, attempt, blob, bytes, at) select i, 1, 'b', 1, now() from generate_series(1, 5000) i;
  insert into task_delta (task_id, running) select 1 + i % 100, 1 from generate_series(1, 1000) i;
  insert into usage_delta (at, task_id, pilot_id, ending, attempts) select now(), 1 + i % 100, 1 + i % 2, 'finished', 1 from generate_series(1, 1000) i;
  insert into usage_minute select 1, now() - i * interval '1 minute', 1, 1, 1, 'finished', '', 1, 1, 1, 1 from generate_series(1, 2880) i;
  insert into usage_by_hour select 1, 'user', now() - i * interval '1 hour', 1, '', 1, 1, 1, 0, 0, 1, 1 from generate_series(1, 2880) i;
  insert into trouble (experiment_id, cause, fingerprint, text, first_at, last_at, attempts, job_id)
    select 1, 'user', 'kind ' || i, '', now(), now(), 1, 1 from generate_series(1, 10000) i;
  insert into trouble_hour (experiment_id, hour, trouble_id, queue_id, attempts)
    select 1, date '2030-01-01' + i / 100 * interval '1 hour', i, 1, 1 from generate_series(1, 10000) i;
  insert into trouble_job (trouble_id, job_id, attempt, at) select 1 + i % 100, i, 1, now() from generate_series(1, 12000) i;
  insert into task_trouble (task_id, trouble_id, attempts, first_at, last_at, job_id) select 1 + i % 100, i, 1, now(), now(), 1 from generate_series(1, 2000) i;
  insert into trouble_delta (task_id, pilot_id, cause, fingerprint, text, attempts, job_ids, tries, at)
    select 1 + i % 100, 1, 'user', 'kind ' || i, '', 1, '{1}', '{1}', now() from generate_series(1, 1000) i;
  insert into task_curve (task_id, at, pending, activated, sent, starting, running, awaiting, holding, transferring, merging, finished, failed, cancelled, closed)
    select 1 + i % 100, date '2029-01-01' + i * interval '1 minute', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 from generate_series(1, 20000) i;
  insert into curve_pace (task_id, points, seconds, next_at) select i, 200, 1, date '2029-01-01' from generate_series(1, 2000) i;
  select setval('job_id', 12000), setval('task_id_seq', 100);`

const tables = [
  'workflow',
  'task',
  'job',
  'spec',
  'edge',
  'task_edge',
  'ready',
  'held',
  'attempt',
  'result',
  'call',
  'pilot',
  'lane',
  'log',
  'metric',
  'progress',
  'checkpoint',
  'timer',
  'retry',
  'label',
  'trouble_delta',
  'trouble',
  'trouble_hour',
  'trouble_host',
  'trouble_user',
  'trouble_job',
  'task_trouble',
  'task_curve',
  'curve_pace',
]
const emptied =
  'truncate workflow, task, job, spec, edge, task_edge, ready, held, attempt, call, history, task_delta, usage_delta, usage_minute, usage_by_hour, usage_by_day, label_set, label, experiment_count, lane, pilot, person, metric, progress, checkpoint, retry, trouble_delta, trouble, trouble_hour, trouble_host, trouble_user, trouble_job, task_trouble, task_curve, curve_pace restart identity cascade'

/** How a database comes to its statistics before it is filled, and whether the plans are older than what fills it. */
const pasts: Record<string, { before: string[]; plannedEmpty?: true }> = {
  'nothing is known of the tables': { before: [] },
  'the tables were empty when they were looked at': { before: ['vacuum analyze'] },
  'the tables were full when they were looked at': { before: [fill, 'vacuum analyze', emptied] },
  'the plans were made when the tables were empty': { before: [], plannedEmpty: true },
}

const task: NewTaskRow = {
  ...{
    workflowId: 1,
    experimentId: 1,
    ownerId: 1,
    parentJobId: null,
    name: 'n',
    state: 'ready',
    closed: true,
    unmet: 0,
  },
  ...{ payload: '{}', common: null, commonBlob: null, commonBytes: null, laneId: 1, cores: 1, memoryMb: null, gpus: 0 },
  ...{ wallSeconds: null, priority: 1000, attemptsUser: 1, attemptsSite: 3, attemptsLost: 5, attemptsOthers: null },
  ...{ lostAfterSeconds: null, queue: null, site: null },
  ...{ secrets: null, cache: false, trace: null, labels: '{"campaign":"north"}' },
}
const rows = (n: number) => ({
  args: new Array(n).fill('{"a":[1]}'),
  blobs: new Array(n).fill(null),
  bytes: new Array(n).fill(null),
  states: new Array(n).fill('activated'),
  unmets: new Array(n).fill(0),
})
const call = (i: number) => ({ scope: 0, key: `new${i}`, epoch: 1, seen: null })
const ended = {
  value: '1',
  blob: null,
  bytes: null,
  startedAt: now,
  endedAt: now,
  wallSeconds: 1,
  cpuSeconds: 1,
  maxRssMb: 1,
}
const finished = ids.map((jobId) => ({ jobId, attempt: 1, ...ended }))
const attempt = {
  ending: 'failed' as const,
  pilotId: 1,
  sentAt: now,
  cause: 'user' as const,
  error: null,
  exitCode: 1,
  signal: null,
}
const claim = { from: ['activated' as JobState], pilotId: 1, epoch: 1, claimSeq: 1000, part: 0, now }

const moment = Object.fromEntries(jobStates.map((state) => [state, 1])) as Record<JobState, number>
const window = { from: now, until: new Date(now.getTime() + 36_000_000) }
const taken = ids.map((id) => ({
  ...{ taskId: 1 + (id % 100), pilotId: 1, cause: 'user' as const, fingerprint: `kind ${id}`, text: '', attempts: 1 },
  ...{ jobs: [{ jobId: id, attempt: 1 }], at: now, experimentId: 1, ownerId: 1, queueId: 1, host: 'h' },
}))

const statements: Record<string, (db: Db) => Promise<unknown>> = {
  'insertTasks, a map': (db) => insertTasks(db, [{ row: task, call: call(0), jobs: rows(batch) }], now),
  'insertTasks, single calls': (db) =>
    insertTasks(
      db,
      ids.map((i) => ({ row: task, call: call(i), jobs: rows(1) })),
      now,
    ),
  'insertTasks, handed to claims': (db) =>
    insertTasks(
      db,
      ids.map((i) => ({ row: task, call: call(i), jobs: rows(1), claims: [i % 10] })),
      now,
      Array.from({ length: 10 }, (_, i) => ({ pilotId: 1 + (i % 2), epoch: 1, claimSeq: 2000 + i })),
    ),
  insertJobs: (db) =>
    insertJobs(db, { taskId: 2, workflowId: 1, laneId: 1, priority: 1000, first: 0, close: false }, rows(batch)),
  claimReady: (db) => claimReady(db, { ...claim, plan: [{ laneId: 1, low: 0, n: batch }], limit: batch }),
  'claimReady, one job': (db) => claimReady(db, { ...claim, plan: [{ laneId: 1, low: 0, n: 1 }], limit: 1 }),
  claimedBefore: (db) => claimedBefore(db, 1, 1, 7),
  claimResumes: (db) => claimResumes(db, { laneId: 1, limit: batch, pilotId: 1, epoch: 1, now }),
  dropUnclaimable: (db) => dropUnclaimable(db, [1], ['activated'], batch),
  finishJobs: (db) => jobs.finishJobs(db, { rows: finished, from: ['running'], pilotId: 1, epoch: 1, now }),
  'finishJobs, one job': (db) =>
    jobs.finishJobs(db, { rows: finished.slice(0, 1), from: ['running'], pilotId: 1, epoch: 1, now }),
  lockJobs: (db) => jobs.lockJobs(db, ids),
  lockFamilies: (db) => jobs.lockFamilies(db, ids, batch),
  moveJobs: (db) =>
    jobs.moveJobs(
      db,
      ids.map((id) => ({ id, taskId: 1, workflowId: 1, from: 'running', to: 'failed', trigger: 'gaveUp', why: null })),
      now,
    ),
  insertReady: (db) => jobs.insertReady(db, pending, ['paused']),
  'insertReady, of a paused task': (db) => jobs.insertReady(db, pending, ['running']),
  removeReady: (db) => jobs.removeReady(db, ready),
  askCancel: (db) => jobs.askCancel(db, ids),
  insertResults: (db) =>
    jobs.insertResults(
      db,
      ids.map((jobId) => ({
        jobId,
        ending: 'failed',
        value: null,
        blob: null,
        bytes: null,
        cause: 'user',
        error: '{}',
      })),
      now,
    ),
  insertAttempts: (db) =>
    jobs.insertAttempts(
      db,
      finished.map((f) => ({ ...f, ...attempt })),
      now,
    ),
  causesSoFar: (db) => jobs.causesSoFar(db, ids),
  heldOf: (db) => pilots.heldOf(db, ids),
  heldBy: (db) => pilots.heldBy(db, 1),
  dropHeld: (db) => pilots.dropHeld(db, ids),
  setStarted: (db) =>
    pilots.setStarted(
      db,
      ids.map((jobId) => ({ jobId, startedAt: now })),
    ),
  jobsTriedBy: (db) => pilots.jobsTriedBy(db, 1, ids),
  cancelsFor: (db) => pilots.cancelsFor(db, 1, 1),
  pilotsToCancel: (db) => pilots.pilotsToCancel(db),
  takeBackLost: (db) =>
    pilots.takeBackLost(db, { pilotId: 1, epoch: 1, attempts: ids.map((id) => ({ jobId: 20000 + id, attempt: 1 })) }),
  lockParents: (db) => lockParents(db, ids),
  insertEdges: (db) =>
    insertEdges(
      db,
      ids.map((id) => ({ parentId: id, childId: 5000 + id })),
    ),
  withMoreChildrenThan: (db) => withMoreChildrenThan(db, ids, batch),
  childrenOf: (db) => childrenOf(db, ids, batch),
  nextChildren: (db) => nextChildren(db, 1, { what: 'release', after: 0, until: 12_000, why: '' }, batch),
  edgesOf: (db) => edgesOf(db, ids),
  decrementUnmet: (db) =>
    decrementUnmet(
      db,
      pending.map((jobId) => ({ jobId, n: 1 })),
    ),
  taskChildren: (db) => taskChildren(db, ids.slice(0, 50)),
  pendingJobsOf: (db) => pendingJobsOf(db, [1, 2, 3]),
  tasksFreedBy: (db) => tasksFreedBy(db, taskEdges),
  releaseTaskEdges: (db) => releaseTaskEdges(db, taskEdges),
  pendingJobs: (db) => pendingJobs(db, release, batch),
  pushRetries: (db) =>
    retry.pushRetries(
      db,
      1,
      ids.map((taskId) => ({ taskId, jobId: null, orphans: false, why: '' })),
      now,
    ),
  topRetry: (db) => retry.topRetry(db, 1),
  lostJobs: (db) =>
    retry.lostJobs(db, { taskId: 1, orphans: true, states: ['running'], afterIndex: 2999, limit: batch }),
  unreleasedParents: (db) => retry.unreleasedParents(db, pending),
  beginRound: (db) =>
    retry.beginRound(
      db,
      1,
      ids.map((id) => ({ id, unmet: 0 })),
    ),
  callsOf: (db) => retry.callsOf(db, 1, ids),
  tasksOfOrphans: (db) => retry.tasksOfOrphans(db, ids),
  foldTaskDeltas: (db) => foldTaskDeltas(db, batch),
  foldUsageDeltas: (db) => foldUsageDeltas(db, batch),
  addCurvePoints: (db) =>
    addCurvePoints(
      db,
      ids.map((taskId) => ({ taskId, isLast: false, ...moment })),
      { most: 200, firstSeconds: 1, now },
    ),
  thinCurves: (db) => thinCurves(db, [1, 2, 3, 4, 5]),
  curveOf: (db) => curveOf(db, 1),
  insertLogs: (db) =>
    insertLogs(
      db,
      1,
      ids.map((jobId) => ({ jobId, attempt: 1, stream: 'stdout' as const, start: 0, body: Buffer.from('x') })),
    ),
  speaksFor: (db) =>
    told.speaksFor(
      db,
      1,
      ids.map((jobId) => ({ jobId, attempt: 1 })),
    ),
  upsertMetrics: (db) =>
    told.upsertMetrics(
      db,
      ids.map((jobId) => ({ jobId, attempt: 1, name: 'loss', step: jobId, value: 1 })),
      now,
    ),
  upsertProgress: (db) =>
    told.upsertProgress(
      db,
      ids.map((jobId) => ({ jobId, attempt: 1, done: 1, total: null, text: null })),
      now,
    ),
  metricsAfter: (db) =>
    told.metricsAfter(db, { jobId: 7, after: { name: '', step: -1 }, lastName: 'z', attempt: null, limit: 50 }),
  lastMetrics: (db) => told.lastMetrics(db, { taskId: 1, name: 'loss', afterIndex: 99, limit: batch }),
  checkpointsOf: (db) => checkpointsOf(db, ids),
  'endedBetween, the newest': (db) =>
    endedBetween(db, [1, 2, 3], ['finished'], place, { xid: '9999999', seq: 0 }, 5000),
  historyOfWorkflowSince: (db) => historyOfWorkflowSince(db, 1, ['finished'], place, 5000),
  storyOfJob: (db) => storyOfJob(db, 77, 0, 100),
  storyOfWorkflow: (db) => storyOfWorkflow(db, 1, 0, 100),
  appendTroubles: (db) => troubles.appendTroubles(db, taken),
  takeTroubles: (db) => troubles.takeTroubles(db, batch),
  kindsOfTasks: (db) => troubles.kindsOfTasks(db, ids.slice(0, 100)),
  addTroubles: (db) => troubles.addTroubles(db, taken),
  spreadTroubles: (db) =>
    troubles.spreadTroubles(
      db,
      taken.map((row, i) => ({ ...row, troubleId: i + 1 })),
    ),
  keepTroubleJobs: (db) =>
    troubles.keepTroubleJobs(
      db,
      ids.map((id) => ({ troubleId: 1 + (id % 10), jobId: id, attempt: 1, at: now })),
      200,
    ),
  troublesIn: (db) => troubles.troublesIn(db, { ...window, experimentId: 1, queue: null, cause: null, limit: 200 }),
  troubleSteps: (db) => troubles.troubleSteps(db, { ...window, ids, queue: null, stepSeconds: 3600 }),
  jobsOfTrouble: (db) => troubles.jobsOfTrouble(db, 7, 100),
  jobEntries: (db) =>
    jobEntries(db, {
      ...{ taskId: 1, state: null, cause: null, withArgs: true, withValue: true, maxText: 1000 },
      ...{ afterIndex: 99, limit: batch, reach: batch },
    }),
  troubleHits: (db) => troubleHits(db, { experimentId: 1, text: 'nowhere', newest: batch, limit: 20 }),
  usesOfJobs: (db) => usesOfJobs(db, 1, ids),
  setTimers: (db) =>
    setTimers(
      db,
      ids.map((id) => ({ kind: 'backOff' as const, id, at: now, why: '' })),
    ),
}

type Node = Record<string, unknown> & { Plans?: Node[] }

/** Everything that a part of the plan and those beneath it looked at, whether it kept it or not. */
const rowsOf = (node: Node): number => {
  const n = (name: string) => Number(node[name] ?? 0)
  const own =
    (n('Actual Rows') + n('Rows Removed by Filter') + n('Rows Removed by Join Filter')) * Math.max(1, n('Actual Loops'))
  return own + (node.Plans ?? []).reduce((sum, plan) => sum + rowsOf(plan), 0)
}

const literal = (value: unknown): string => {
  if (value === null || value === undefined) return 'null'
  return pg.escapeLiteral(value instanceof Date ? value.toISOString() : String(value))
}

/** Runs statements for their plans: each prepared as the pool does it, once per connection, and undone. They bring no rows. */
const explaining = (client: pg.Client): { db: Db; plans: Node[] } => {
  const names = new Map<string, string>()
  const plans: Node[] = []
  const prepared = async (text: string): Promise<string> => {
    const known = names.get(text)
    if (known) return known
    const name = `statement_${names.size}`
    await client.query(`prepare ${name} as ${text}`)
    names.set(text, name)
    return name
  }
  const explain = async ({ text, values }: Sql) => {
    if (text.startsWith('set ')) return
    const name = await prepared(text)
    await client.query('begin')
    try {
      const given = values.length > 0 ? `(${values.map(literal).join(', ')})` : ''
      const { rows } = await client.query(`explain (analyze, timing off, format json) execute ${name}${given}`)
      plans.push(rows[0]['QUERY PLAN'][0].Plan)
    } finally {
      await client.query('rollback')
    }
  }
  const db: Db = {
    rows: async (query) => explain(query).then(() => []),
    row: async (query) => explain(query).then(() => undefined),
    run: async (query) => explain(query).then(() => 0),
  }
  return { db, plans }
}

describe.each(Object.entries(pasts))('when %s', (_, { before, plannedEmpty }) => {
  let explained: ReturnType<typeof explaining>
  beforeAll(async () => {
    const db = await freshDatabase()
    await db.script(tables.map((table) => `alter table ${table} set (autovacuum_enabled = off)`).join(';'))
    for (const script of before) await db.script(script)
    const client = await db.connect()
    explained = explaining(client)
    if (plannedEmpty) for (const run of Object.values(statements)) await run(explained.db)
    await db.script(fill)
    place.xid = (await db.row<{ xid: string }>(sql`select max(xid)::text as xid from history`))!.xid
    return () => client.end()
  })

  test.each(Object.entries(statements))('%s looks at no more rows than it has work for', async (_, run) => {
    explained.plans.splice(0)
    await run(explained.db)
    expect(explained.plans.length).toBeGreaterThan(0)
    expect(explained.plans.reduce((sum, plan) => sum + rowsOf(plan), 0)).toBeLessThan(mostRowsEach * batch)
  })
})
