import { afterEach, beforeEach, expect, test } from 'vitest'
import { finished, type ScriptedPilot, startWorld } from '../../../test/support/engines.ts'
import { brokenInvariants } from '../../../test/support/invariants.ts'
import { newWorkflow } from '../../contract/workflows.ts'
import { readId } from '../../lib/ids.ts'
import { sql } from '../../store/db.ts'
import { createWorkflow, renewDriver } from '../workflows/workflows.ts'
import { noteHearing } from './hearing.ts'

let world: Awaited<ReturnType<typeof startWorld>>
beforeEach(async () => {
  world = await startWorld()
})
afterEach(async () => {
  expect(await brokenInvariants(world.first.db)).toEqual([])
  await world.close()
})

const minute = 60

const lost = async () =>
  (await world.first.db.row<{ n: number }>(sql`select count(*)::int as n from attempt where ending = 'lost'`))!.n
const stateOf = async ({ id }: ScriptedPilot) =>
  (await world.first.db.row<{ state: string }>(sql`select state from pilot where id = ${id}`))!.state

test('server and database away for ten minutes with a thousand jobs running: none is run again', async () => {
  const place = await world.place()
  const ids = await place.submit(1000)
  const pilots = await Promise.all(Array.from({ length: 10 }, () => place.pilot({ slots: 100 })))
  for (const pilot of pilots) await pilot.take()
  await world.pass(20, { heard: pilots })
  world.jump(10 * minute)
  // Agents may be up before anybody can hear pilots: then they judge none.
  await world.look()
  const restarted = await world.server(world.first.id)
  await world.pass(30, { hearing: [restarted] })
  for (const pilot of pilots) {
    expect((await pilot.renew(restarted)).drop).toEqual([])
    const answers = await pilot.report(
      [...pilot.held.values()].map((job) => finished(job)),
      restarted,
    )
    expect(new Set(answers)).toEqual(new Set(['moved']))
  }
  const once = await world.first.db.row<{ n: number }>(sql`
    select count(*)::int as n from job where id = any(${ids}::bigint[]) and state = 'finished' and attempt = 1`)
  expect([once!.n, await lost()]).toEqual([1000, 0])
})

test('an outage neither uses up the patience for a pilot nor renews it', async () => {
  const place = await world.place()
  await place.submit(1, { lostAfterSeconds: 60 })
  const pilot = await place.pilot()
  await pilot.take()
  await world.pass(30)
  world.jump(10 * minute)
  await world.pass(29)
  expect([await stateOf(pilot), await lost()]).toEqual(['suspect', 0])
  await world.pass(6)
  expect([await stateOf(pilot), await lost()]).toEqual(['gone', 1])
})

test('while only the agents live nobody is judged, and while only the servers live silence counts', async () => {
  const place = await world.place()
  await place.submit(1, { lostAfterSeconds: 60 })
  const pilot = await place.pilot()
  await pilot.take()
  await world.pass(10 * minute, { hearing: [] })
  expect([await stateOf(pilot), await lost()]).toEqual(['online', 0])
  await world.pass(1)
  expect([await stateOf(pilot), await lost()]).toEqual(['online', 0])
  await world.pass(minute, { looks: false })
  await world.look()
  expect([await stateOf(pilot), await lost()]).toEqual(['gone', 1])
})

test('servers that come back together take the time off once', async () => {
  const place = await world.place()
  await place.submit(1, { lostAfterSeconds: 60 })
  const second = await world.server()
  const pilot = await place.pilot()
  await pilot.take()
  await world.pass(30, { hearing: [world.first, second] })
  world.jump(10 * minute)
  const third = await world.server()
  await Promise.all([world.first, second, third].map(noteHearing))
  await world.pass(35, { hearing: [world.first, second, third] })
  expect([await stateOf(pilot), await lost()]).toEqual(['gone', 1])
})

test('a server that restarts again and again does not keep a dead pilot alive', async () => {
  const place = await world.place()
  await place.submit(1, { lostAfterSeconds: 60 })
  const pilot = await place.pilot()
  await pilot.take()
  for (let n = 0; n < 7; n++) {
    await world.pass(9, { hearing: [] })
    await world.server(world.first.id)
    await world.look()
  }
  expect([await stateOf(pilot), await lost()]).toEqual(['gone', 1])
})

test('of two servers one is cut off: those it heard last have ten minutes to find the other, and the rest are judged', async () => {
  const place = await world.place()
  await place.submit(3, { lostAfterSeconds: 60 })
  const cutOff = await world.server()
  const [dead, stranded, moved] = [
    await place.pilot({ slots: 1 }),
    await place.pilot({ slots: 1, at: cutOff }),
    await place.pilot({ slots: 1, at: cutOff }),
  ]
  for (const pilot of [dead, stranded, moved]) await pilot.take()
  await world.pass(minute + 5)
  expect([await stateOf(dead), await stateOf(stranded), await lost()]).toEqual(['gone', 'suspect', 1])
  expect((await moved.renew(world.first)).drop).toEqual([])
  await world.pass(2 * minute)
  expect([await stateOf(stranded), await stateOf(moved), await lost()]).toEqual(['suspect', 'gone', 2])
  // Back again, it hears its pilots as if nothing had been.
  await world.pass(30, { hearing: [world.first, cutOff] })
  expect([await stateOf(stranded), await lost()]).toEqual(['suspect', 2])
  expect((await stranded.renew(cutOff)).drop).toEqual([])
  await world.pass(15, { hearing: [world.first] })
  await world.pass(10 * minute, { hearing: [world.first] })
  expect([await stateOf(stranded), await lost()]).toEqual(['gone', 3])
})

test('a pilot that died with its server is given up soon after that is back, not when it would have been without', async () => {
  const place = await world.place()
  await place.submit(1, { lostAfterSeconds: 60 })
  const killed = await world.server()
  const dead = await place.pilot({ at: killed })
  await dead.take()
  await world.pass(30, { hearing: [world.first, killed] })
  await world.pass(20, { hearing: [world.first] })
  expect(await stateOf(dead)).toBe('suspect')
  await world.server(killed.id)
  await world.pass(20, { hearing: [world.first, killed] })
  expect(await lost()).toBe(0)
  await world.pass(15, { hearing: [world.first, killed] })
  expect([await stateOf(dead), await lost()]).toEqual(['gone', 1])
})

test('a server that is back takes what it was away off the silence of those that it heard last, and of no others', async () => {
  const place = await world.place()
  await place.submit(2, { lostAfterSeconds: 650 })
  const cutOff = await world.server()
  const [its, other] = [await place.pilot({ slots: 1, at: cutOff }), await place.pilot({ slots: 1 })]
  for (const pilot of [its, other]) await pilot.take()
  await world.pass(300)
  await world.pass(400, { hearing: [world.first, cutOff] })
  expect([await stateOf(its), await stateOf(other), await lost()]).toEqual(['suspect', 'gone', 1])
  await world.pass(260, { hearing: [world.first, cutOff] })
  expect([await stateOf(its), await lost()]).toEqual(['gone', 2])
})

test.each([
  ['forward', 3600],
  ['back', -3600],
])('the clock is set %s by an hour, and nobody is lost by it; who is dead is found in the end', async (_, seconds) => {
  const place = await world.place()
  await place.submit(2, { lostAfterSeconds: 60 })
  const [living, dead] = [await place.pilot({ slots: 1 }), await place.pilot({ slots: 1 })]
  for (const pilot of [living, dead]) await pilot.take()
  await world.pass(10, { heard: [living, dead] })
  world.jump(seconds)
  await world.look()
  await world.pass(30, { heard: [living] })
  expect([await stateOf(living), await lost()]).toEqual(['online', 0])
  // What was heard before a clock was set back is in the future, and counts from then.
  if (seconds < 0)
    await world.first.db.run(
      sql`update pilot set silent_since = silent_since - interval '1 h', lease_until = lease_until - interval '1 h'`,
    )
  await world.pass(40, { heard: [living] })
  expect([await stateOf(living), await stateOf(dead), await lost()]).toEqual(['online', 'gone', 1])
})

test('a process whose clock is behind does not unhear what others heard', async () => {
  const place = await world.place()
  await place.submit(1, { lostAfterSeconds: 60 })
  const pilot = await place.pilot()
  await pilot.take()
  await world.pass(20, { heard: [pilot] })
  const behind = { ...world.first, clock: () => new Date(world.now().getTime() - 3_600_000) }
  await pilot.renew(behind)
  await world.look()
  expect([await stateOf(pilot), await lost()]).toEqual(['online', 0])
})

test('nor is a driver silent while nobody can hear it', async () => {
  const place = await world.place()
  const { workflowId, epoch } = await createWorkflow(
    world.first,
    place.ann,
    newWorkflow.parse({ name: 'test', kind: 'function' }),
  )
  const id = readId('w', workflowId)!
  const state = async () =>
    (await world.first.db.row<{ state: string }>(sql`select state from workflow where id = ${id}`))!.state
  await world.pass(20)
  world.jump(10 * minute)
  await world.look()
  expect(await state()).toBe('running')
  await world.pass(39)
  expect(await state()).toBe('running')
  await renewDriver(world.first, place.ann, id, epoch)
  await world.pass(59)
  expect(await state()).toBe('running')
  await world.pass(2)
  expect(await state()).toBe('paused')
})
