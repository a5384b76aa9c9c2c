import { type Database, type Db, sql } from '../../src/store/db.ts'
import { ensurePerson } from '../../src/store/people.ts'
import { Chance } from './chance.ts'
import { Chronicle } from './chronicle.ts'
import { Model } from './model.ts'
import { Network } from './network.ts'
import { brokenNow, judge, leftOver } from './oracle.ts'
import { planOf } from './plan.ts'
import type { Template } from './postgres.ts'
import { Referee } from './referee.ts'
import { Servers } from './servers.ts'
import { Timeline } from './timeline.ts'
import { SimulatedUser } from './users/user.ts'
import { Weather } from './weather.ts'
import type { World } from './world.ts'

export type Verdict = {
  seed: number
  /** Of everything that happened: equal for equal seeds. */
  digest: string
  /** What is wrong, a line each. */
  broken: string[]
  /** Lines of the chronicle that lead to what is wrong. */
  trace: string[]
  jobs: number
  steps: number
  virtualSeconds: number
  seconds: number
}

const start = new Date('2030-01-01T00:00:00Z')

/** When all is calm some attempt ends in each such time, ms, until nothing is left: where few pilots have many jobs that takes hours, and no job runs for so long. */
const drainMs = 1_800_000

type Run = {
  seed: number
  jobs: number
  /** May look at the database, and have it judged once more. */
  atEnd?: (db: Database, judged: (db: Db) => Promise<string[]>) => Promise<void>
}

/** One seed from its beginning to its verdict: `jobs` jobs, and what befalls them. */
export const simulate = async (template: Template, run: Run): Promise<Verdict> => {
  const began = performance.now()
  const { db, drop } = await template.fresh()
  try {
    const world = makeWorld(db, run)
    const users = await populate(world, run.jobs)
    const broken = await live(world, users, run.jobs)
    if (broken.length === 0) broken.push(...(await judgedAtEnd(world, run.atEnd)))
    return { ...(await verdictOf(world, broken)), seed: run.seed, seconds: (performance.now() - began) / 1000 }
  } finally {
    await drop()
  }
}

const makeWorld = (db: Database, { seed, jobs }: Run): World => {
  const chance = new Chance(seed)
  const plan = planOf(chance.of('plan'), jobs)
  const timeline = new Timeline(start, chance.of('timeline'))
  const chronicle = new Chronicle(timeline.clock)
  const parts = { timeline, chronicle, faults: plan.faults }
  const servers = new Servers({
    ...parts,
    chance: chance.of('servers'),
    db,
    slowness: plan.slowness,
    jobsAtOnce: plan.jobsAtOnce,
  })
  const network = new Network({ ...parts, chance: chance.of('network'), servers })
  const model = new Model()
  const referee = new Referee(model, () => timeline.now, servers.deaf)
  chronicle.note('plan', JSON.stringify(plan))
  return { plan, chance, timeline, chronicle, db, servers, network, model, referee, isCalm: false }
}

/** Servers, pilots and users, who begin; the users, to be waited for. */
const populate = async (world: World, jobs: number): Promise<SimulatedUser[]> => {
  const { db, plan } = world
  const queues = await placesFor(db)
  const users = await Promise.all(
    Array.from({ length: plan.users }, async (_, i) => {
      const name = `user${i + 1}`
      const personId = await ensurePerson(db, { experimentId: 1, name, admin: false, now: start })
      return new SimulatedUser(world, { personId, name }, Math.ceil(jobs / plan.users))
    }),
  )
  for (const user of users) user.start()
  const pilots = plan.pilots.map(({ queue, ...rest }, i) => ({
    ...rest,
    name: `pilot${i + 1}`,
    queue: { id: queues.get(queue)!, name: queue },
  }))
  new Weather(world).begin(pilots)
  return users
}

/** Lets time pass until all users have what they wanted, or something is wrong: what that is. */
const live = async (world: World, users: SimulatedUser[], jobs: number): Promise<string[]> => {
  const { db, plan, timeline, servers, network, referee } = world
  const broken: string[] = []
  let isOver = false
  let [ended, endedAt] = [0, start.getTime()]
  timeline.spawn(async () => {
    while (!isOver) {
      await timeline.sleep(5000)
      isOver = users.every((user) => user.isDone) && (await leftOver(db)).length === 0
      if (timeline.now - endedAt < drainMs / 2) continue
      const { n } = (await db.row<{ n: number }>(sql`select count(*)::int as n from attempt`))!
      if (n > ended) [ended, endedAt] = [n, timeline.now]
    }
  })
  const wrong = () => [...broken, ...referee.broken, ...network.mishaps, ...servers.mishaps]
  const everySteps = Math.max(1000, 2 * jobs)
  let nextLook = everySteps
  const look = async () => {
    if (timeline.steps < nextLook) return
    nextLook += everySteps
    broken.push(...(await brokenNow(db)))
  }
  try {
    await timeline.run(
      () => isOver || wrong().length > 0,
      () => Math.max(start.getTime() + plan.calmAfterMs, endedAt) + drainMs,
      look,
    )
  } catch (error) {
    broken.push(`the simulation itself: ${error instanceof Error ? error.stack : error}`)
  }
  if (wrong().length > 0 || isOver) return wrong()
  return [...(await leftOver(db)), ...(users.every((user) => user.isDone) ? [] : ['a user still waits'])]
}

const judgedAtEnd = async ({ db, model, referee }: World, atEnd: Run['atEnd']): Promise<string[]> => {
  const broken = await brokenNow(db)
  if (broken.length === 0) broken.push(...(await judge(db, model, referee)))
  await atEnd?.(db, (tx) => judge(tx, model, referee))
  return broken
}

const verdictOf = async (
  { db, model, chronicle, timeline }: World,
  broken: string[],
): Promise<Omit<Verdict, 'seed' | 'seconds'>> => {
  for (const { line } of await historyOf(db)) chronicle.add(line)
  return {
    digest: chronicle.digest(),
    broken,
    trace: broken.length > 0 ? await traceOf(db, chronicle, broken) : [],
    jobs: [...model.tasks.values()].reduce((n, task) => n + task.jobs.length, 0),
    steps: timeline.steps,
    virtualSeconds: (timeline.now - start.getTime()) / 1000,
  }
}

/** A second queue beside the local one. */
const placesFor = async (db: Db): Promise<Map<string, number>> => {
  await db.run(sql`insert into queue (site_id, name, state) values (1, 'far', 'online')`)
  const rows = await db.rows<{ id: number; name: string }>(sql`select id, name from queue`)
  return new Map(rows.map((row) => [row.name, row.id]))
}

const historyOf = (db: Db) =>
  db.rows<{ line: string }>(
    sql`select concat_ws(' ', seq, at, noun, id, workflow_id, from_state, to_state, trigger, why) || chr(10) as line from history order by seq`,
  )

/** About the first things that are broken: what the actors did with them, and what the database has of them. */
const traceOf = async (db: Db, chronicle: Chronicle, broken: string[]): Promise<string[]> => {
  const words = [...new Set(broken.slice(0, 5).flatMap((line) => line.match(/\b[wtjp]\d+\b/g) ?? []))].slice(0, 4)
  if (words.length === 0) return ['the last steps:', ...chronicle.last(40)]
  const lines: string[] = []
  for (const word of words) {
    lines.push(`${word}, as the actors saw it:`, ...chronicle.about([word], 60))
    const noun = { w: 'workflow', t: 'task', j: 'job', p: 'pilot' }[word[0] as 'w']
    const moves = await db.rows<{ line: string }>(sql`
      select concat_ws(' ', to_char(at at time zone 'UTC', 'HH24:MI:SS.MS'), from_state, '->', to_state, trigger, why) as line
      from history where noun = ${noun} and id = ${Number(word.slice(1))}::bigint order by seq desc limit 40`)
    lines.push(`${word}, as the database has it:`, ...moves.map((m) => m.line).reverse())
  }
  return lines
}
