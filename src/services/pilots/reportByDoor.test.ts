import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { finished, type Held, type ScriptedPilot, startWorld } from '../../../test/support/engines.ts'
import { brokenInvariants } from '../../../test/support/invariants.ts'
import type { Report } from '../../contract/pilots.ts'
import { readId, showId } from '../../lib/ids.ts'
import { type Database, type Db, type Sql, sql } from '../../store/db.ts'
import type { Engine } from '../engine/engine.ts'
import { foldCounters } from '../fold/foldCounters.ts'

let world: Awaited<ReturnType<typeof startWorld>>
beforeAll(async () => {
  world = await startWorld()
})
afterEach(async () => {
  expect(await brokenInvariants(world.first.db)).toEqual([])
})
afterAll(() => world.close())

type Place = Awaited<ReturnType<typeof world.place>>

const told = (what: Report['what'], { jobId, attempt }: Held, more: Partial<Report> = {}): Report => ({
  ...{ jobId, attempt, what },
  ...more,
})
const failed = (job: Held, message: string, cause: Report['cause'] = 'user') =>
  told('failed', job, { cause, error: { type: 'ValueError', message } })

/** Claims so many jobs. */
const take = async <Some extends Held[]>(pilot: ScriptedPilot, jobs: number): Promise<Some> =>
  (await pilot.take({ jobs })) as Held[] as Some

const storyOf = async ({ jobId }: Held) =>
  (
    await world.first.db.rows<{ trigger: string; why: string | null }>(
      sql`select trigger, why from history where noun = 'job' and id = ${readId('j', jobId)!} order by seq`,
    )
  ).map(({ trigger, why }) => (why ? `${trigger}: ${why}` : trigger))

const whyOf = async (id: number) =>
  JSON.parse((await world.first.db.row<{ error: string }>(sql`select error from result where job_id = ${id}`))!.error)
    .message

const stateOf = async (id: number) =>
  (await world.first.db.row<{ state: string }>(sql`select state from job where id = ${id}`))!.state

/** An engine of which it is known how many statements it has sent. */
const counting = (engine: Engine): { engine: Engine; count: () => number } => {
  let n = 0
  const noted = (query: Sql): Sql => {
    n++
    return query
  }
  const counted = (db: Db): Db => ({
    rows: (query) => db.rows(noted(query)),
    row: (query) => db.row(noted(query)),
    run: (query) => db.run(noted(query)),
  })
  const db: Database = {
    ...engine.db,
    ...counted(engine.db),
    begin: (act) => engine.db.begin((tx) => act(counted(tx))),
  }
  return { engine: { ...engine, db }, count: () => n }
}

/** As many parents as children, each child after two of them. */
const pairs = async (place: Place, n: number) => {
  const parents = await place.submit(n)
  const jobs = parents.map((id, i) => ({
    args: { text: '{}' },
    after: [id, parents[(i + 1) % n]!].map((id) => showId('j', id)),
  }))
  return { parents, children: await place.submit(n, { jobs }) }
}

test('several reports of one job in one request are taken in their order, each with its own words', async () => {
  const place = await world.place()
  await place.submit(3, { attempts: { user: 2, site: 1, lost: 1 } })
  const pilot = await place.pilot()
  const [a, b, c] = await take<[Held, Held, Held]>(pilot, 3)
  const reports = [
    ...[told('starting', a), told('starting', b), told('running', a), failed(a, 'too hot')],
    ...[told('running', b), failed(b, 'too cold'), told('returned', c)],
  ]
  expect(await pilot.report(reports)).toEqual(reports.map(() => 'moved'))
  expect(await storyOf(a)).toEqual([
    ...['claimed', 'staging', 'started'],
    expect.stringMatching(/^willRetry: .*1 of 2/),
  ])
  expect((await storyOf(c)).at(-1)).toBe('returned: its pilot gave it back')
  const errors = await world.first.db.rows<{ error: string }>(
    sql`select error from attempt where job_id = any(${[a, b].map((job) => readId('j', job.jobId))}::bigint[]) order by job_id`,
  )
  expect(errors.map(({ error }) => JSON.parse(error).message)).toEqual(['too hot', 'too cold'])
})

test('an attempt ends once, also when one request ends it twice', async () => {
  const place = await world.place()
  const [first, second] = await place.submit(2, { attempts: { user: 2, site: 1, lost: 1 } })
  const pilot = await place.pilot()
  const [a, b] = await take<[Held, Held]>(pilot, 2)
  const answers = await pilot.report([failed(a, 'no'), finished(a), told('running', b), finished(b), finished(b)])
  expect(answers).toEqual(['moved', 'stale', 'moved', 'moved', 'stale'])
  expect([await stateOf(first!), await stateOf(second!)]).toEqual(['activated', 'finished'])
})

test('what stops a task decides over all that comes back of it in the same request, whatever comes first there', async () => {
  const place = await world.place()
  const ids = await place.submit(20, { attempts: { user: 1, site: 9, lost: 9 } })
  const pilot = await place.pilot()
  const [a, b, c] = await take<[Held, Held, Held]>(pilot, 3)
  await pilot.report([told('returned', a), failed(b, 'a bad moment', 'site'), failed(c, 'no such module', 'bundle')])
  expect(await storyOf(a)).toEqual(['claimed', expect.stringMatching(`^cancelConfirmed: .*fail like ${c.jobId}`)])
  expect(await storyOf(b)).toEqual(['claimed', 'cancelConfirmed: a bad moment'])
  await world.look()
  expect(await Promise.all(ids.map(stateOf))).toEqual([
    ...['cancelled', 'cancelled', 'failed'],
    ...new Array(17).fill('cancelled'),
  ])
})

test('children of what failed are cancelled, and each says after which of its own parents', async () => {
  const place = await world.place()
  const { children } = await pairs(place, 4)
  const pilot = await place.pilot()
  const [a, b, c, d] = await take<[Held, Held, Held, Held]>(pilot, 4)
  await pilot.report([finished(a), failed(b, 'no'), failed(c, 'no'), finished(d)])
  expect(await Promise.all(children.map(stateOf))).toEqual(['cancelled', 'cancelled', 'cancelled', 'activated'])
  expect(await Promise.all(children.slice(0, 3).map(whyOf))).toEqual([
    `${b.jobId} did not finish`,
    `${b.jobId}, ${c.jobId} did not finish`,
    `${c.jobId} did not finish`,
  ])
})

test('eight hundred reports take as many statements as eight, whatever they say', async () => {
  const statementsFor = async (n: number): Promise<number> => {
    const place = await world.place()
    const { children } = await pairs(place, n)
    const more = await place.submit(n, { attempts: { user: 2, site: 1, lost: 1 } })
    const { engine, count } = counting(world.first)
    const pilot = await place.pilot({ at: engine })
    const held = await pilot.take()
    const before = count()
    const isParent = new Set(held.slice(0, n).map((job) => job.jobId))
    expect(more.some((id) => isParent.has(showId('j', id)))).toBe(false)
    const reports = held.flatMap((job) =>
      isParent.has(job.jobId)
        ? [told('running', job, { startedAt: world.now().toISOString() }), finished(job)]
        : [told('starting', job), failed(job, `no ${job.jobId}`)],
    )
    expect(new Set(await pilot.report(reports))).toEqual(new Set(['moved']))
    expect(new Set(await Promise.all(children.map(stateOf)))).toEqual(new Set(['activated']))
    return count() - before
  }
  expect(await statementsFor(200)).toBe(await statementsFor(2))
})

const taskOf = async (jobId: number) =>
  showId('t', (await world.first.db.row<{ id: number }>(sql`select task_id as id from job where id = ${jobId}`))!.id)

test('letting fifty tasks go that waited for two takes as many statements as letting go two', async () => {
  const statementsFor = async (n: number): Promise<number> => {
    const place = await world.place()
    const after = [await taskOf((await place.submit(1))[0]!), await taskOf((await place.submit(1))[0]!)]
    const children: number[] = []
    for (let i = 0; i < n; i++) children.push(...(await place.submit(2, { after })))
    await world.look()
    const pilot = await place.pilot()
    const parents = await pilot.take()
    await pilot.report(parents.map((job) => finished(job)))
    const { engine, count } = counting(world.first)
    await foldCounters(engine)
    expect(new Set(await Promise.all(children.map(stateOf)))).toEqual(new Set(['activated']))
    return count()
  }
  expect(await statementsFor(50)).toBe(await statementsFor(2))
})

test('tasks that waited for what did not end well are cancelled together, each naming its own parents', async () => {
  const place = await world.place()
  const parents = [...(await place.submit(1)), ...(await place.submit(1)), ...(await place.submit(1))]
  const [a, b, c] = (await Promise.all(parents.map(taskOf))) as [`t${number}`, `t${number}`, `t${number}`]
  const children: number[] = []
  for (const after of [[a], [a, b], [b, c], [c]]) children.push(...(await place.submit(1, { after })))
  const pilot = await place.pilot()
  const [x, y, z] = await take<[Held, Held, Held]>(pilot, 3)
  await pilot.report([failed(x, 'no'), failed(y, 'no'), finished(z)])
  await world.look()
  expect(await Promise.all(children.map(stateOf))).toEqual(['cancelled', 'cancelled', 'cancelled', 'activated'])
  expect(await Promise.all(children.slice(0, 3).map(whyOf))).toEqual([
    `${a} did not end well`,
    `${a}, ${b} did not end well`,
    `${b} did not end well`,
  ])
})
