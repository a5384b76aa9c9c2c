import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { finished, type ScriptedPilot, startWorld } from '../../../test/support/engines.ts'
import { brokenInvariants } from '../../../test/support/invariants.ts'
import { eventually } from '../../../test/support/server.ts'
import { newTask } from '../../contract/tasks.ts'
import { sql } from '../../store/db.ts'
import { withKey } from '../access/keyed.ts'
import { submitTask } from './submitTask.ts'

let world: Awaited<ReturnType<typeof startWorld>>
beforeAll(async () => {
  world = await startWorld()
})
afterEach(async () => {
  await world.look()
  expect(await brokenInvariants(world.first.db)).toEqual([])
})
afterAll(() => world.close())

/** A claim that waits by then; `jobs` are the names of those that it gets in the end. */
const openClaim = async (
  pilot: ScriptedPilot,
  { at = world.first, ...ask }: Parameters<ScriptedPilot['claim']>[0] = {},
) => {
  const before = at.openClaims.inOrder.length
  const jobs = pilot.claim({ waitSeconds: 20, at, ...ask }).then((reply) => reply.jobs.map((job) => job.jobId))
  jobs.catch(() => {})
  await eventually(async () => at.openClaims.inOrder.length > before, 'the claim waits')
  return { jobs }
}

const names = (ids: number[]) => ids.map((id) => `j${id}`)

const stateOf = (id: number) =>
  world.first.db.row<{ state: string; attempt: number; ready: number; moves: string[] }>(sql`
    select j.state, j.attempt, (select count(*)::int from ready where job_id = j.id) as ready,
           array(select trigger from history where noun = 'job' and id = j.id order by seq) as moves
    from job j where j.id = ${id}`)

test('work that comes while a pilot waits is sent to it as it is written, and never lies in its lane', async () => {
  const place = await world.place()
  const pilot = await place.pilot()
  const claim = await openClaim(pilot)
  const ids = await place.submit(3)
  expect(await claim.jobs).toEqual(names(ids))
  expect(await stateOf(ids[2]!)).toEqual({ state: 'sent', attempt: 1, ready: 0, moves: ['claimed'] })
  const again = await pilot.claim({ seq: 1 })
  expect(again.jobs.map((job) => job.jobId)).toEqual(names(ids))
  expect(again.jobs[1]).toMatchObject({ index: 1, attempt: 1, args: { text: '{"a":[1]}' } })
  expect(await pilot.report(again.jobs.map((job) => finished(job)))).toEqual(['moved', 'moved', 'moved'])
})

test('a pilot hears of what was submitted under a key when it is committed, and not before', async () => {
  const place = await world.place()
  const pilot = await place.pilot()
  let answered = false
  const claim = await openClaim(pilot)
  void claim.jobs.then(() => {
    answered = true
  })
  const { db } = world.first
  let submitted: Promise<unknown> = Promise.resolve()
  await db.begin(async (tx) => {
    await tx.run(sql`lock table idempotency in exclusive mode`)
    submitted = withKey(world.first, place.ann, { route: 'submitTask', key: 'k', body: {} }, async (within) => {
      const { workflowId, queue } = place
      const payload = { kind: 'command', command: ['true'] }
      const jobs = [{ args: { text: '{}' } }]
      return submitTask(within, place.ann, newTask.parse({ workflowId, queue, name: 'keyed', payload, jobs }))
    })
    const waits = sql`select from pg_locks l join pg_class c on c.oid = l.relation where c.relname = 'idempotency' and not l.granted`
    await eventually(async () => (await db.row(waits)) !== undefined, 'the reply waits to be kept')
    expect(answered).toBe(false)
  })
  const { firstJobId } = (await submitted) as { firstJobId: string }
  expect(await claim.jobs).toEqual([firstJobId])
  const again = await pilot.claim({ seq: 1 })
  expect(await pilot.report(again.jobs.map((job) => finished(job)))).toEqual(['moved'])
})

test('what does not fit waits in its lane, and whoever comes next finds it', async () => {
  const place = await world.place()
  const [small, other] = [await place.pilot({ slots: 2 }), await place.pilot()]
  const claim = await openClaim(small)
  const ids = await place.submit(5)
  expect(await claim.jobs).toEqual(names(ids.slice(0, 2)))
  expect((await other.take()).map((job) => job.jobId)).toEqual(names(ids.slice(2)))
})

test('whose queue may not run it gets nothing, and what is paid for once is not handed over twice', async () => {
  const [place, elsewhere] = [await world.place(), await world.place()]
  const stranger = await openClaim(await elsewhere.pilot(), { waitSeconds: 1 })
  const [first, second] = [await openClaim(await place.pilot({ slots: 1 })), await openClaim(await place.pilot())]
  const [one, two] = await Promise.all([place.submit(1), place.submit(1)])
  expect([...(await first.jobs), ...(await second.jobs)].sort()).toEqual(names([...one!, ...two!]).sort())
  world.jump(2)
  expect(await stranger.jobs).toEqual([])
})

test('a pilot that has gone meanwhile gets nothing: its work waits for another', async () => {
  const place = await world.place()
  const [gone, other] = [await place.pilot(), await place.pilot()]
  const claim = await openClaim(gone)
  await gone.leave(await world.server())
  const [id] = await place.submit(1)
  expect(await stateOf(id!)).toEqual({ state: 'activated', attempt: 0, ready: 1, moves: [] })
  await expect(claim.jobs).rejects.toMatchObject({ code: 'pilot_replaced' })
  expect((await other.take()).map((job) => job.jobId)).toEqual(names([id!]))
})

test('a claim that another process has answered gets that answer again, and no more', async () => {
  const place = await world.place()
  const pilot = await place.pilot()
  const [earlier] = await place.submit(1)
  await pilot.claim({ at: await world.server() })
  // Here it is known that there is nothing to claim, so that the claim waits.
  expect(await (await place.pilot()).take()).toEqual([])
  const again = await openClaim(pilot, { seq: 1 })
  const [id] = await place.submit(1)
  expect(await again.jobs).toEqual(names([earlier!]))
  expect(await stateOf(id!)).toMatchObject({ state: 'activated', ready: 1 })
})

test('a submission that fails leaves the claim waiting, and the next is handed to it', async () => {
  const place = await world.place()
  const pilot = await place.pilot()
  await place.submit(1)
  await pilot.take()
  expect(await (await place.pilot()).take()).toEqual([])
  const claim = await openClaim(pilot)
  const { db } = world.first
  const { rows } = db
  db.rows = async () => Promise.reject(new Error('the database does not answer'))
  await expect(place.submit(1)).rejects.toThrow('does not answer')
  db.rows = rows
  await eventually(async () => world.first.openClaims.inOrder.length > 0, 'it waits again')
  const ids = await place.submit(1)
  expect(await claim.jobs).toEqual(names(ids))
})

test('with pilots waiting at several servers each job is handed to one of them', async () => {
  const place = await world.place()
  const servers = [world.first, await world.server()]
  const pilots = await Promise.all(servers.flatMap((at) => [1, 2, 3].map((slots) => place.pilot({ slots, at }))))
  const claims = await Promise.all(pilots.map((pilot, i) => openClaim(pilot, { at: servers[i < 3 ? 0 : 1] })))
  const ids = (await Promise.all([1, 2, 3, 4].map((n) => place.submit(n)))).flat()
  for (const engine of servers) await engine.lanes.refresh()
  world.jump(30)
  const got = await Promise.all(claims.map(({ jobs }) => jobs))
  const left = await (await place.pilot()).take()
  expect([...got.flat(), ...left.map((job) => job.jobId)].sort()).toEqual(names(ids).sort())
})
