import { readFileSync } from 'node:fs'
import path from 'node:path'
import { jobEnds, jobTable } from '../../src/domain/job/states.ts'
import { taskEnds, taskTable } from '../../src/domain/task/states.ts'
import { workflowEnds, workflowTable } from '../../src/domain/workflow/states.ts'
import { step, type Table } from '../../src/lib/machine.ts'
import { type Db, sql } from '../../src/store/db.ts'
import { brokenInvariants } from '../support/invariants.ts'
import type { Incident, World } from './world.ts'

/** What was looked at, how many there were, and what is wrong with them. */
export type Finding = { what: string; checked: number; broken: string[] }

/** Everything that must hold when all has come to its end; read from the rows, the history, and what the payloads themselves wrote. */
export const checkInvariants = (world: World): Promise<Finding[]> =>
  world.db.begin(async (db) => {
    // Whole tables are compared here: what the product forbids the planner for its small statements would compare each row with each, as would a planner that knows nothing of the tables.
    await db.run(sql`
      select set_config(name, 'on', true) from unnest('{enable_hashjoin,enable_mergejoin,enable_seqscan,enable_bitmapscan}'::text[]) name`)
    await db.run(sql`analyze`)
    return findingsOf(db, world)
  })

const findingsOf = async (db: Db, world: World): Promise<Finding[]> => {
  const marks = readMarks(world.marks)
  const attempts = await endedAttempts(db, world)
  return [
    await everythingEnded(db),
    await registeredOnce(db),
    await legalMoves(db),
    await chainedMoves(db),
    await released(db),
    { what: 'counters equal rows, nothing active is unwatched', checked: 1, broken: await brokenInvariants(db) },
    await foldedCounters(db),
    await nothingLeft(db),
    begunOnce(marks),
    await registeredWhatRan(db, marks),
    await begunInOrder(db, marks),
    notAfterTheEnd(marks, attempts, await finishedAt(db), world),
    takenWithReason(attempts, marks, world),
  ]
}

const found = <Row>(what: string, checked: number, rows: Row[], say: (row: Row) => string): Finding => ({
  what,
  checked,
  broken: rows.map(say),
})

const countOf = async (db: Db, table: 'job' | 'history' | 'edge'): Promise<number> => {
  const counts = {
    job: sql`select count(*)::int as n from job`,
    history: sql`select count(*)::int as n from history`,
    edge: sql`select count(*)::int as n from edge`,
  }
  return (await db.row<{ n: number }>(counts[table]))!.n
}

const everythingEnded = async (db: Db): Promise<Finding> =>
  found(
    'every workflow, task and job has ended',
    await countOf(db, 'job'),
    await db.rows<{ what: string; id: number; state: string }>(sql`
      select 'j' as what, id, state from job where not state = any(${[...jobEnds]}::text[])
      union all select 't', id, state from task where not state = any(${[...taskEnds]}::text[])
      union all select 'w', id, state from workflow where not state = any(${[...workflowEnds]}::text[])`),
    (row) => `${row.what}${row.id} is ${row.state}`,
  )

const registeredOnce = async (db: Db): Promise<Finding> =>
  found(
    'each result is registered once: one finishing move, one finished attempt, the job’s own',
    await countOf(db, 'job'),
    await db.rows<{ id: number; state: string; attempt: number; good: number[]; moves: number; results: number }>(sql`
      select j.id, j.state, j.attempt, a.good, h.moves::int, (select count(*)::int from result r where r.job_id = j.id) as results
      from job j
      left join (select job_id, array_agg(attempt) filter (where ending = 'finished') as good from attempt group by job_id) a on a.job_id = j.id
      left join (select id, count(*) filter (where to_state = 'finished') as moves from history where noun = 'job' group by id) h on h.id = j.id
      where (select count(*) from result r where r.job_id = j.id) <> 1
         or (j.state = 'finished') <> (coalesce(h.moves, 0) = 1)
         or (case when j.state = 'finished' then a.good is distinct from array[j.attempt] else a.good is not null end)`),
    (row) =>
      `j${row.id} is ${row.state} at attempt ${row.attempt}: finished attempts ${row.good}, moves to finished ${row.moves}, results ${row.results}`,
  )

const tables: Record<string, Table<string, string>> = { job: jobTable, task: taskTable, workflow: workflowTable }

const legalMoves = async (db: Db): Promise<Finding> => {
  const kinds = await db.rows<{
    noun: string
    from: string | null
    trigger: string
    to: string
    n: number
    id: number
  }>(sql`
    select noun, from_state as "from", trigger, to_state as "to", count(*)::int as n, min(id)::bigint as id
    from history where noun <> 'pilot' group by 1, 2, 3, 4`)
  const isLegal = ({ noun, from, trigger, to }: (typeof kinds)[number]): boolean => {
    if (from === null || !(from in tables[noun]!)) return false
    const stepped = step(tables[noun]!, from, trigger)
    return stepped.kind === 'moved' && stepped.to === to
  }
  return found(
    'every move is in its table',
    kinds.reduce((sum, kind) => sum + kind.n, 0),
    kinds.filter((kind) => !isLegal(kind)),
    (row) => `${row.noun} ${row.id}: ${row.from} –${row.trigger}→ ${row.to} (${row.n} of them)`,
  )
}

const chainedMoves = async (db: Db): Promise<Finding> =>
  found(
    'every move begins where the one before ended, and the last one ends where the row is',
    await countOf(db, 'history'),
    await db.rows<{ noun: string; id: number; from: string; before: string; to: string }>(sql`
      with h as (
        select noun, id, from_state, to_state, lag(to_state) over w as before, row_number() over (partition by noun, id order by seq desc) as back
        from history where noun <> 'pilot' window w as (partition by noun, id order by seq))
      select noun, id, from_state as "from", before, to_state as "to" from h where before is not null and before <> from_state
      union all
      select h.noun, h.id, 'row', s.state, h.to_state from h
      join (select 'job' as noun, id, state from job union all select 'task', id, state from task union all select 'workflow', id, state from workflow) s
        on s.noun = h.noun and s.id = h.id
      where h.back = 1 and h.to_state <> s.state
      limit 100`),
    (row) => `${row.noun} ${row.id}: ${row.from} after ${row.before} (to ${row.to})`,
  )

const released = async (db: Db): Promise<Finding> =>
  found(
    'every edge released its child once, and after its parent',
    await countOf(db, 'edge'),
    await db.rows<{ id: number; state: string; unmet: number; releases: number; bad: number }>(sql`
      with child as (
        select e.child_id as id, count(*) filter (where p.state <> 'finished') as bad from edge e join job p on p.id = e.parent_id group by 1),
      moves as (
        select id, count(*) filter (where trigger = 'parentsReleased') as releases from history where noun = 'job' group by 1)
      select j.id, j.state, j.unmet, coalesce(m.releases, 0)::int as releases, c.bad::int
      from child c join job j on j.id = c.id left join moves m on m.id = j.id
      where (c.bad = 0 and (j.unmet <> 0 or j.state = 'cancelled')) or (c.bad > 0 and j.state <> 'cancelled') or coalesce(m.releases, 0) > 1`),
    (row) =>
      `j${row.id} is ${row.state}: unmet ${row.unmet}, released ${row.releases} times, ${row.bad} parents did not finish`,
  )

const foldedCounters = async (db: Db): Promise<Finding> =>
  found(
    'the counters of workflows equal their rows, and every change is folded',
    1,
    await db.rows<{ id: number; what: string; counted: number; there: number }>(sql`
      select w.workflow_id as id, 'finished jobs' as what, w.finished as counted, count(*) filter (where j.state = 'finished')::int as there
      from workflow_count w left join task t on t.workflow_id = w.workflow_id left join job j on j.task_id = t.id group by w.workflow_id, w.finished
      having w.finished <> count(*) filter (where j.state = 'finished')
      union all
      select w.workflow_id, 'tasks', w.tasks_total, count(t.id)::int from workflow_count w left join task t on t.workflow_id = w.workflow_id
      group by w.workflow_id, w.tasks_total having w.tasks_total <> count(t.id)
      union all
      select w.workflow_id, 'ended tasks', w.tasks_ended, count(t.id)::int from workflow_count w left join task t on t.workflow_id = w.workflow_id
      group by w.workflow_id, w.tasks_ended having w.tasks_ended <> count(t.id)
      union all
      select 0, 'deltas not folded', 0, count(*)::int from task_delta having count(*) > 0`),
    (row) => `w${row.id}: ${row.what} counted ${row.counted}, there ${row.there}`,
  )

const nothingLeft = async (db: Db): Promise<Finding> =>
  found(
    'nothing is held, and no timer is left',
    1,
    await db.rows<{ what: string; id: number }>(sql`
      select 'held job' as what, job_id as id from held union all select 'timer ' || kind, id from timer
      union all select 'ready row of an ended job in a work lane', r.job_id from ready r join lane l on l.id = r.lane_id
      where l.purpose = 'work' and not exists (select from job j where j.id = r.job_id and j.state in ('cancelled', 'activated')) limit 100`),
    (row) => `${row.what} ${row.id}`,
  )

/** Per job, per attempt, when it began, s since 1970, as often as it did. */
type Marks = Map<number, Map<number, number[]>>

const readMarks = (file: string): Marks => {
  const bootAt = Date.now() / 1000 - Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0])
  const marks: Marks = new Map()
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    const [, job, attempt, up] = /^j(\d+) (\d+) ([\d.]+)$/.exec(line) ?? []
    if (!job) continue
    const ofJob = marks.get(Number(job)) ?? new Map<number, number[]>()
    ofJob.set(Number(attempt), [...(ofJob.get(Number(attempt)) ?? []), bootAt + Number(up)])
    marks.set(Number(job), ofJob)
  }
  return marks
}

const begunOnce = (marks: Marks): Finding => {
  const broken: string[] = []
  let checked = 0
  for (const [job, ofJob] of marks)
    for (const [attempt, begun] of ofJob) {
      checked++
      if (begun.length > 1) broken.push(`attempt ${attempt} of j${job} began ${begun.length} times`)
    }
  return { what: 'no attempt began twice', checked, broken }
}

const registeredWhatRan = async (db: Db, marks: Marks): Promise<Finding> => {
  const finished = await db.rows<{ id: number; attempt: number }>(
    sql`select id, attempt from job where state = 'finished'`,
  )
  return found(
    'every registered attempt began',
    finished.length,
    finished.filter(({ id, attempt }) => !marks.get(id)?.has(attempt)),
    ({ id, attempt }) => `attempt ${attempt} of j${id} is registered, and never began`,
  )
}

/** Clocks of one machine, read by different programs, s. */
const clockSlack = 1

const begunInOrder = async (db: Db, marks: Marks): Promise<Finding> => {
  const edges = await db.rows<{ parent: number; child: number; at: Date }>(sql`
    select e.parent_id as parent, e.child_id as child, h.at from edge e
    join history h on h.noun = 'job' and h.id = e.parent_id and h.to_state = 'finished'`)
  const first = (id: number) => Math.min(...[...(marks.get(id)?.values() ?? [])].flat())
  return found(
    'no child began before its parents had finished',
    edges.length,
    edges.filter(({ child, at }) => first(child) < at.getTime() / 1000 - clockSlack),
    ({ parent, child, at }) =>
      `j${child} began ${(at.getTime() / 1000 - first(child)).toFixed(1)} s before j${parent} finished`,
  )
}

const finishedAt = async (db: Db): Promise<Map<number, number>> =>
  new Map(
    (
      await db.rows<{ id: number; at: Date }>(
        sql`select id, at from history where noun = 'job' and to_state = 'finished'`,
      )
    ).map((row) => [row.id, row.at.getTime() / 1000]),
  )

type EndedAttempt = {
  jobId: number
  attempt: number
  ending: string
  why: string
  pilot: string
  sentAt: number
  endedAt: number
}

const endedAttempts = async (db: Db, world: World): Promise<EndedAttempt[]> => {
  const names = pilotNames(world)
  const rows = await db.rows<{
    jobId: number
    attempt: number
    ending: string
    error: string | null
    name: string
    sentAt: Date
    endedAt: Date
  }>(sql`
    select a.job_id as "jobId", a.attempt, a.ending, a.error, p.name, a.sent_at as "sentAt", a.ended_at as "endedAt"
    from attempt a join pilot p on p.id = a.pilot_id where a.ending in ('lost', 'returned')`)
  return rows.map(({ error, name, sentAt, endedAt, ...row }) => ({
    ...row,
    why: error === null ? '' : (JSON.parse(error) as { message: string }).message,
    pilot: names.get(name) ?? name,
    sentAt: sentAt.getTime() / 1000,
    endedAt: endedAt.getTime() / 1000,
  }))
}

/** The name of each pilot to the server, and ours. */
const pilotNames = (world: World): Map<string, string> =>
  new Map(
    world.pilotFolders.map((folder) => [readFileSync(path.join(folder, 'name'), 'utf8').trim(), path.basename(folder)]),
  )

const deadly = ['kill pilot', 'lose pilot', 'crash point', 'restart with a crash point']
const silencing = [
  'stop pilot',
  'stop pilot for longer than its lease',
  'pilot cut off for longer than its lease',
  'freeze network',
  'delay requests',
]

/** When it was over, s since 1970. A pilot that was lost never comes back: what a held-up transaction sends it later is lost as well. */
const overAt = ({ kind, to }: Incident): number =>
  kind === 'lose pilot' ? Number.POSITIVE_INFINITY : (to ?? Date.now()) / 1000

/** A pilot may lose its jobs when it died while it had them, or could not be heard for most of its lease. */
const hadTrouble = (world: World, pilot: string, from: number, to: number): boolean => {
  const ofPilot = world.incidents.filter((incident) => incident.target === pilot)
  if (ofPilot.some((i) => deadly.includes(i.kind) && i.from / 1000 <= to + 2 && overAt(i) >= from - 2)) return true
  const silent = ofPilot
    .filter((i) => silencing.includes(i.kind))
    .map((i) => ({ from: i.from / 1000, to: overAt(i) }))
    .filter((i) => i.to >= to - 120 && i.from <= to)
    .reduce((sum, i) => sum + Math.min(i.to, to) - i.from, 0)
  return silent >= 40
}

const notAfterTheEnd = (
  marks: Marks,
  attempts: EndedAttempt[],
  finished: Map<number, number>,
  world: World,
): Finding => {
  const broken: string[] = []
  const byKey = new Map(attempts.map((a) => [`${a.jobId}:${a.attempt}`, a]))
  for (const [job, at] of finished)
    for (const [attempt, begun] of marks.get(job) ?? [])
      for (const beganAt of begun) {
        if (beganAt <= at + clockSlack) continue
        const { pilot = '?', ending = 'registered' } = byKey.get(`${job}:${attempt}`) ?? {}
        const excused = hadTrouble(world, pilot, beganAt - 60, beganAt)
        if (!excused)
          broken.push(
            `attempt ${attempt} of j${job} (${ending}) began on ${pilot} ${(beganAt - at).toFixed(1)} s after the job had finished`,
          )
      }
  return {
    what: 'no attempt began after its job had finished, but on a pilot that could not know',
    checked: finished.size,
    broken,
  }
}

/** What a pilot that was there all the time was sent stays its own until it ends it. */
const takenWithReason = (attempts: EndedAttempt[], marks: Marks, world: World): Finding => {
  const broken = attempts.filter(({ jobId, attempt, ending, pilot, sentAt, endedAt }) => {
    // The answer to its claim was lost: it goes back, and nobody had begun it.
    if (ending === 'returned' && !marks.get(jobId)?.has(attempt)) return false
    return !hadTrouble(world, pilot, sentAt, endedAt)
  })
  return found(
    'no job was taken from a pilot that lived and could be heard',
    attempts.length,
    broken,
    ({ jobId, attempt, ending, why, pilot, sentAt, endedAt }) =>
      `attempt ${attempt} of j${jobId} was ${ending} on ${pilot} after ${(endedAt - sentAt).toFixed(1)} s at ${new Date(endedAt * 1000).toISOString()}: ${why}`,
  )
}
