import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { silentLog } from '../src/lib/log.ts'
import { prepareHome } from '../src/main/home.ts'
import { openEngine } from '../src/main/openEngine.ts'
import { startPostgres } from '../src/main/postgres/startPostgres.ts'
import type { Principal } from '../src/services/access/authenticate.ts'
import type { Engine } from '../src/services/engine/engine.ts'
import { claimJobs } from '../src/services/pilots/claimJobs.ts'
import { registerPilot } from '../src/services/pilots/pilots.ts'
import { reportJobs } from '../src/services/pilots/reportJobs.ts'
import { type Database, openDatabase, sql } from '../src/store/db.ts'
import { type BenchResult, median, round } from './support.ts'

const batch = 100
/** As many as the smallest fill has work for; the first, which plans the statements and fills caches, is not counted. */
const rounds = 9
const shares = 50
const queues = 500

/**
 * What waits: over how many lanes; whether jobs of one lane are neighbours in the tables, as those of one task are, or lie as far apart as they can; and whether
 * `ready` has never held more than now, or is as large as after the largest fill, most of which was taken since.
 */
type Kind = { lanes: number; apart: boolean; afterPeak: boolean }

const kinds: Kind[] = [
  { lanes: 1, apart: false, afterPeak: false },
  { lanes: shares * queues, apart: false, afterPeak: false },
  { lanes: shares * queues, apart: true, afterPeak: false },
  { lanes: shares * queues, apart: true, afterPeak: true },
]

type Fill = Kind & { waiting: number }

type Measured = Fill & { touched: Touched }

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
  const measured: Measured[] = []
  try {
    await prepareHome(home, { version: '0.0.0' })
    await withStatistics(home, async (config, admin) => {
      for (const kind of kinds)
        for (const waiting of sizes) {
          const fill = { ...kind, waiting }
          const touched = await measure(home, config, admin, fill, 2 * most)
          measured.push({ ...fill, touched })
          console.error(fill, touched)
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
  filling: Fill,
  total: number,
): Promise<Touched> => {
  const database = `waiting_${filling.lanes}_${filling.waiting}`
  await admin.script(`create database ${database}`)
  const { engine, close } = await openEngine({
    database: { ...config, database },
    storageFolder: path.join(home, 'storage'),
    log: silentLog,
    connections: 2,
  })
  try {
    await engine.db.script('create extension pg_stat_statements')
    await fill(engine.db, filling, total)
    await engine.lanes.refresh()
    return await cycles(engine)
  } finally {
    await close()
    await admin.script(`drop database ${database} with (force)`)
  }
}

/** Coprime to every `total`: `i * stride % total` puts neighbours far from each other, and each in a place of its own. */
const stride = 1_234_577

/**
 * So many jobs are ready: those that the rounds claim in the lanes of queue 1, the others evenly in those of other queues (when there are any). Each has a child that
 * waits for it, for a lane of another queue; the rest of `total` have finished, so that the tables have the same size whatever waits.
 */
const fill = async (db: Database, { lanes, apart, afterPeak, waiting }: Fill, total: number): Promise<void> => {
  const own = lanes === 1 ? 1 : shares
  const claimed = batch * (rounds + 1)
  const other = lanes === 1 ? '0' : `${own} + i % ${lanes - own}`
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
    create temp table planned as
      select i, 1 + i::bigint * ${apart ? stride : 1} % ${total} as id,
        case when i < ${waiting} then 'activated' when i < ${2 * waiting} then 'pending' else 'finished' end as state,
        case when i >= ${2 * waiting} then 0 when i < ${claimed} then i / ${claimed / own} else ${other} end as n
      from generate_series(0, ${total - 1}) i;
    create index on planned (i);
    analyze l, planned;
    insert into task (workflow_id, experiment_id, owner_id, name, state, closed, jobs, payload, lane_id, cores, priority, attempts_user, attempts_site, attempts_lost, created_at)
      values (1, 1, 1, 'bench', 'ready', false, ${2 * waiting}, '{"kind":"command","command":["true"]}', (select id from l where n = 0), 1, 1000, 1, 3, 5, now());
    insert into job (id, task_id, workflow_id, index, lane_id, state, unmet, has_children, released)
      select p.id, 1, 1, p.id - 1, l.id, state, (state = 'pending')::int, state = 'activated', state = 'finished' from planned p join l using (n) order by p.id;
    insert into edge (parent_id, child_id)
      select parent.id, child.id from planned parent join planned child on child.i = parent.i + ${waiting} where parent.i < ${waiting};
    insert into spec (job_id, args) select i, '{}' from generate_series(1, ${total}) i;
    insert into ready (lane_id, rank, job_id)
      select lane_id, (7000::bigint << 40) | id, id from job where state = 'activated' or ${afterPeak} and id % 2 = 0;
    delete from ready where job_id in (select id from job where state <> 'activated');
    drop table planned;
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

const resultOf = (measured: Measured[]): BenchResult => {
  const growths = kinds.map((kind) => {
    const [first, ...others] = measured.filter((one) => isOf(kind, one)).map(({ touched }) => touched)
    const growth = (key: keyof Touched) =>
      round(Math.max(0, ...others.map((touched) => touched[key] / first![key] - 1)), 3)
    return { ...kind, claim: growth('claimBuffers'), release: growth('releaseBuffers') }
  })
  const json = {
    batch,
    buffersPerClaimGrowth: Math.max(...growths.map(({ claim }) => claim)),
    buffersPerReleaseGrowth: Math.max(...growths.map(({ release }) => release)),
  }
  return {
    title: 'What a claim and a release touch, by how many wait',
    columns: [
      'lanes',
      'jobs of a lane',
      'ready jobs',
      'pages per claimed job',
      'rows',
      'pages per finished and released job',
      'rows',
      'jobs/s, one at a time',
    ],
    rows: measured.map(({ waiting, touched: t, ...kind }) => [
      kind.lanes,
      placesOf(kind),
      waiting,
      t.claimBuffers,
      t.claimRows,
      t.releaseBuffers,
      t.releaseRows,
      t.jobsPerSecond,
    ]),
    json: { ...json, growths, measured },
    notes: [
      `Batches of ${batch} jobs through the production services, one batch at a time; medians of ${rounds} rounds, divided by the batch. As many jobs again wait for a parent each; with those that have finished the tables of jobs hold the same number in each line, and the jobs that are claimed lie at the same places in them. After a peak: \`ready\`, too, has as many pages in each line.`,
      `Growth over the smallest fill: ${growths.map((g) => `${g.lanes} lanes, ${placesOf(g)}: claim ${g.claim}, release ${g.release}`).join('; ')}.`,
    ],
  }
}

const isOf = (kind: Kind, one: Kind): boolean =>
  kind.lanes === one.lanes && kind.apart === one.apart && kind.afterPeak === one.afterPeak

const placesOf = ({ apart, afterPeak }: Kind): string =>
  `${apart ? 'far apart' : 'neighbours'}${afterPeak ? ', after a peak' : ''}`
