import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { silentLog } from '../src/lib/log.ts'
import { prepareHome } from '../src/main/home.ts'
import { openEngine } from '../src/main/openEngine.ts'
import { startPostgres } from '../src/main/postgres/startPostgres.ts'
import type { Principal } from '../src/services/authenticate.ts'
import { claimJobs } from '../src/services/claimJobs.ts'
import type { Engine } from '../src/services/engine.ts'
import { registerPilot } from '../src/services/pilots.ts'
import { reportJobs } from '../src/services/reportJobs.ts'
import { type Database, openDatabase, sql } from '../src/store/db.ts'
import { type BenchResult, median, round } from './support.ts'

const batch = 100
/** As many as the smallest fill has work for; the first, which plans the statements and fills caches, is not counted. */
const rounds = 9
const shares = 50
const queues = 500

type Touched = {
  claimBuffers: number
  claimRows: number
  releaseBuffers: number
  releaseRows: number
  jobsPerSecond: number
}

/**
 * What a claim and a release touch, with so many jobs waiting: pages by `pg_stat_statements` over all statements of the production services, per job. As many
 * jobs wait in lanes as wait for a parent each; a round claims `batch` jobs and reports them finished, which releases their children.
 * `--most=1000000`.
 */
export const run = async (options: Record<string, string | boolean>): Promise<BenchResult> => {
  const most = Number(options.most ?? 1_000_000)
  const sizes = [1000, 10_000, 100_000, 1_000_000].filter((n) => n <= most)
  const home = await mkdtemp(path.join(tmpdir(), 'culm-bench-'))
  const measured: { lanes: number; waiting: number; touched: Touched }[] = []
  try {
    await prepareHome(home, { version: '0.0.0' })
    await withStatistics(home, async (config, admin) => {
      for (const lanes of [1, shares * queues])
        for (const waiting of sizes) {
          const touched = await measure(home, config, admin, lanes, waiting, most)
          measured.push({ lanes, waiting, touched })
          console.error(lanes, waiting, touched)
        }
    })
  } finally {
    await rm(home, { recursive: true, force: true })
  }
  return resultOf(measured)
}

/** PostgreSQL started twice: what counts pages must be loaded at its start. */
const withStatistics = async (home: string, act: (config: object, admin: Database) => Promise<void>): Promise<void> => {
  for (const isSecond of [false, true]) {
    const postgres = await startPostgres({ home, log: silentLog })
    const admin = openDatabase({ ...postgres.connection }, { connections: 1 })
    try {
      if (isSecond) await act(postgres.connection, admin)
      else await admin.script("alter system set shared_preload_libraries = 'pg_stat_statements'")
    } finally {
      await admin.close()
      await postgres.stop()
    }
  }
}

const measure = async (
  home: string,
  config: object,
  admin: Database,
  lanes: number,
  waiting: number,
  most: number,
): Promise<Touched> => {
  const database = `waiting_${lanes}_${waiting}`
  await admin.script(`create database ${database}`)
  const { engine, close } = await openEngine({
    database: { ...config, database },
    storageFolder: path.join(home, 'storage'),
    log: silentLog,
    connections: 2,
  })
  try {
    await engine.db.script('create extension pg_stat_statements')
    await fill(engine.db, lanes, waiting, 2 * most)
    await engine.lanes.refresh()
    return await cycles(engine)
  } finally {
    await close()
    await admin.script(`drop database ${database} with (force)`)
  }
}

/**
 * So many jobs are ready, spread over the lanes (those of queue 1 hold what the rounds need); each has a child that waits for it; the rest of `total` have
 * finished, so that the tables have the same size whatever waits.
 */
const fill = async (db: Database, lanes: number, waiting: number, total: number): Promise<void> => {
  const own = lanes === 1 ? 1 : shares
  await db.script(`
    insert into person (experiment_id, name, created_at) values (1, 'bench', now());
    insert into workflow (experiment_id, owner_id, team_id, name, kind, state, created_at) values (1, 1, 1, 'bench', 'tasks', 'running', now());
    insert into share (name) select 's' || i from generate_series(2, ${shares}) i;
    insert into queue (site_id, name, state) select 1, 'q' || i, 'online' from generate_series(2, ${queues}) i;
    insert into class (cores, memory_mb) values (1, 0) on conflict do nothing;
    insert into lane (purpose, queue_ids, share_id, class_id)
      select 'work', array[q], s, (select id from class where cores = 1 and memory_mb = 0)
      from generate_series(1, ${lanes === 1 ? 1 : queues}) q, generate_series(1, ${own}) s on conflict do nothing;
    create temp table l as select row_number() over (order by queue_ids, share_id) - 1 as n, id from lane where purpose = 'work';
    create index on l (n);
    analyze l;
    insert into task (workflow_id, experiment_id, owner_id, name, state, closed, jobs, payload, lane_id, cores, priority, attempts_user, attempts_site, attempts_lost, created_at)
      values (1, 1, 1, 'bench', 'ready', false, ${2 * waiting}, '{"kind":"command","command":["true"]}', (select id from l where n = 0), 1, 1000, 1, 3, 5, now());
    insert into job (id, task_id, workflow_id, index, lane_id, state, unmet, has_children)
      select i, 1, 1, i - 1, (select id from l where n = case when i <= ${batch * (rounds + 1)} then i % ${own} else i % ${lanes} end), 'activated', 0, true
      from generate_series(1, ${waiting}) i;
    insert into job (id, task_id, workflow_id, index, lane_id, state, unmet)
      select ${waiting} + i, 1, 1, ${waiting} + i - 1, (select id from l where n = ${lanes === 1 ? 0 : `${own} + i % ${lanes - own}`}), 'pending', 1 from generate_series(1, ${waiting}) i;
    insert into job (id, task_id, workflow_id, index, lane_id, state, released)
      select i, 1, 1, i - 1, (select id from l where n = 0), 'finished', true from generate_series(${2 * waiting} + 1, ${total}) i;
    insert into edge (parent_id, child_id) select i, ${waiting} + i from generate_series(1, ${waiting}) i;
    insert into spec (job_id, args) select i, '{}' from generate_series(1, ${total}) i;
    insert into ready (lane_id, rank, job_id) select lane_id, (7000::bigint << 40) | id, id from job where state = 'activated';
    select setval('job_id', ${total});`)
  await db.script('vacuum analyze')
}

const cycles = async (engine: Engine): Promise<Touched> => {
  const principal: Principal = { kind: 'pilot', queueId: 1, queue: 'local' }
  const signal = new AbortController().signal
  const { pilotId, epoch } = await registerPilot(engine, principal, {
    name: 'bench',
    queue: 'local',
    slots: batch,
    host: 'here',
    version: '0',
    pid: 1,
  })
  const id = Number(pilotId.slice(1))
  const claims: Count[] = []
  const releases: Count[] = []
  const seconds: number[] = []
  for (let n = 0; n <= rounds; n++) {
    const began = performance.now()
    const ask = { epoch, claimSeq: n + 1, cores: batch, jobs: batch, waitSeconds: 0 }
    const { value: claim, count: claimed } = await counted(engine.db, () =>
      claimJobs(engine, principal, id, ask, signal),
    )
    if (claim.jobs.length !== batch) throw new Error(`a claim brought ${claim.jobs.length} jobs, not ${batch}`)
    const reports = claim.jobs.map(({ jobId, attempt }) => ({
      jobId,
      attempt,
      what: 'finished' as const,
      value: { text: '1' },
    }))
    const { count: released } = await counted(engine.db, () => reportJobs(engine, principal, id, epoch, reports))
    if (n === 0) continue
    claims.push(claimed)
    releases.push(released)
    seconds.push((performance.now() - began) / 1000)
  }
  const per = (counts: Count[], of: keyof Count) => round(median(counts.map((count) => count[of])) / batch, 2)
  return {
    claimBuffers: per(claims, 'buffers'),
    claimRows: per(claims, 'rows'),
    releaseBuffers: per(releases, 'buffers'),
    releaseRows: per(releases, 'rows'),
    jobsPerSecond: round(batch / median(seconds), 0),
  }
}

type Count = { buffers: number; rows: number }

/** Pages of tables and indexes that all statements of `act` touched, found in memory or not, and rows that they gave or wrote. */
const counted = async <T>(db: Database, act: () => Promise<T>): Promise<{ value: T; count: Count }> => {
  await db.row(
    sql`select pg_stat_statements_reset(0, (select oid from pg_database where datname = current_database()))`,
  )
  const value = await act()
  const count = await db.row<Count>(sql`
    select sum(shared_blks_hit + shared_blks_read)::int as buffers, sum(rows)::int as rows from pg_stat_statements
    where dbid = (select oid from pg_database where datname = current_database()) and query not like '%pg_stat_statements%'`)
  return { value, count: count! }
}

const resultOf = (measured: { lanes: number; waiting: number; touched: Touched }[]): BenchResult => {
  /** The largest part by which a fill lies above the smallest one of the same number of lanes. */
  const growth = (key: keyof Touched) =>
    round(
      Math.max(
        ...measured.map(({ lanes, touched }) => {
          const first = measured.find((one) => one.lanes === lanes)!.touched[key]
          return touched[key] / first - 1
        }),
      ),
      3,
    )
  const json = {
    batch,
    buffersPerClaimGrowth: growth('claimBuffers'),
    buffersPerReleaseGrowth: growth('releaseBuffers'),
  }
  return {
    title: 'What a claim and a release touch, by how many wait',
    columns: [
      'lanes',
      'ready jobs',
      'pages per claimed job',
      'rows',
      'pages per finished and released job',
      'rows',
      'jobs/s, one at a time',
    ],
    rows: measured.map(({ lanes, waiting, touched: t }) => [
      lanes,
      waiting,
      t.claimBuffers,
      t.claimRows,
      t.releaseBuffers,
      t.releaseRows,
      t.jobsPerSecond,
    ]),
    json: { ...json, measured },
    notes: [
      `Batches of ${batch} jobs through the production services, one batch at a time; medians of ${rounds} rounds, divided by the batch. As many jobs again wait for a parent each; with those that have finished the tables hold the same number of jobs in each line.`,
      `Growth over the smallest fill: claim ${json.buffersPerClaimGrowth}, release ${json.buffersPerReleaseGrowth}.`,
    ],
  }
}
