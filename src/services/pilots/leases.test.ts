import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { finished, type Held, type ScriptedPilot, startWorld } from '../../../test/support/engines.ts'
import { brokenInvariants } from '../../../test/support/invariants.ts'
import { sha256 } from '../../lib/digest.ts'
import { readId, showId } from '../../lib/ids.ts'
import { blobBytes } from '../../store/blobs.ts'
import { sql } from '../../store/db.ts'
import { authenticate } from '../access/authenticate.ts'
import { createBlob, putContent, readSigned } from '../blobs.ts'
import { keepLogs } from './logs.ts'
import { renewPilot } from './pilots.ts'
import { reportJobs } from './reportJobs.ts'

let world: Awaited<ReturnType<typeof startWorld>>
beforeAll(async () => {
  world = await startWorld()
})
afterEach(async () => {
  expect(await brokenInvariants(world.first.db)).toEqual([])
})
afterAll(() => world.close())

const minute = 60

const jobsOf = (ids: number[]) =>
  world.first.db.rows<{ state: string; attempt: number; pilotId: number | null }>(sql`
    select j.state, j.attempt, h.pilot_id as "pilotId" from job j left join held h on h.job_id = j.id
    where j.id = any(${ids}::bigint[]) order by j.id`)

/** How often each of these was begun, and by whom it is held: all alike, or an error. */
const allOf = async (ids: number[]) => {
  const [first, ...rest] = await jobsOf(ids)
  for (const job of rest) expect(job).toEqual(first)
  return first!
}

const attemptsOf = async (id: number) =>
  (
    await world.first.db.rows<{ end: string }>(
      sql`select ending as end from attempt where job_id = ${id} order by attempt`,
    )
  ).map((row) => row.end)

const resultOf = async (id: number) =>
  (await world.first.db.row<{ value: string }>(sql`select value from result where job_id = ${id}`))?.value

const pilotState = async ({ id }: ScriptedPilot) =>
  (await world.first.db.row<{ state: string }>(sql`select state from pilot where id = ${id}`))!.state

const storyOf = async ({ id }: ScriptedPilot) =>
  (
    await world.first.db.rows<{ to: string }>(
      sql`select to_state as to from history where noun = 'pilot' and id = ${id} order by seq`,
    )
  ).map((row) => row.to)

/** Puts `old` where the signed address says; `meanwhile` happens while the bytes are under way. */
const upload = (address: string, meanwhile: () => Promise<unknown> = async () => {}) => {
  const url = new URL(address, 'http://here')
  const hash = url.pathname.split('/').at(-1)!
  async function* bytes() {
    yield Buffer.from('ol')
    await meanwhile()
    yield Buffer.from('d')
  }
  return putContent(world.first, readSigned(world.first, 'PUT', hash, Object.fromEntries(url.searchParams)), bytes())
}

const nameOf = (id: number): Held => ({ jobId: showId('j', id), attempt: 1 })

test('a pilot is suspect after 45 s of silence, and online again when it is heard', async () => {
  const place = await world.place()
  const [id] = await place.submit(1)
  const pilot = await place.pilot()
  await pilot.take()
  await world.pass(44)
  expect(await pilotState(pilot)).toBe('online')
  await world.pass(1)
  expect(await pilotState(pilot)).toBe('suspect')
  await pilot.renew()
  expect(await storyOf(pilot)).toEqual(['online', 'suspect', 'online'])
  expect(await allOf([id!])).toEqual({ state: 'sent', attempt: 1, pilotId: pilot.id })
})

test('its jobs are lost when their own patience is over, one by one, and then it is gone', async () => {
  const place = await world.place()
  const [long] = await place.submit(1)
  const pilot = await place.pilot()
  await pilot.take()
  await world.first.db.run(sql`update held set sent_at = sent_at - interval '1 h' where job_id = ${long}`)
  const [short] = await place.submit(1)
  const [shorter] = await place.submit(1, { lostAfterSeconds: 50 })
  await pilot.take()
  await world.pass(50)
  expect((await jobsOf([long!, short!, shorter!])).map((j) => j.state)).toEqual(['sent', 'sent', 'activated'])
  await world.pass(10)
  expect((await jobsOf([long!, short!])).map((j) => j.state)).toEqual(['sent', 'activated'])
  await world.pass(5 * minute - 1)
  expect((await allOf([long!])).state).toBe('sent')
  expect(await pilotState(pilot)).toBe('suspect')
  await world.pass(1)
  expect((await allOf([long!])).state).toBe('activated')
  expect(await attemptsOf(long!)).toEqual(['lost'])
  expect(await pilotState(pilot)).toBe('gone')
})

test('a queue may have a patience of its own, and a task the last word', async () => {
  const place = await world.place({ lostAfterSeconds: 300 })
  const [asQueue] = await place.submit(1)
  const [asTask] = await place.submit(1, { lostAfterSeconds: 100 })
  const pilot = await place.pilot()
  await pilot.take()
  await world.pass(100)
  expect((await jobsOf([asQueue!, asTask!])).map((j) => j.state)).toEqual(['sent', 'activated'])
  await world.pass(199)
  expect((await allOf([asQueue!])).state).toBe('sent')
  await world.pass(1)
  expect((await allOf([asQueue!])).state).toBe('activated')
})

test('who is heard before its jobs are lost keeps them all', async () => {
  const place = await world.place()
  const ids = await place.submit(3)
  const pilot = await place.pilot()
  const jobs = await pilot.take()
  for (let i = 0; i < 3; i++) {
    await world.pass(55)
    expect((await pilot.renew()).drop).toEqual([])
  }
  expect(await pilot.report(jobs.map((job) => finished(job)))).toEqual(['moved', 'moved', 'moved'])
  expect(await allOf(ids)).toEqual({ state: 'finished', attempt: 1, pilotId: null })
})

test('who comes back after that, even from being gone, keeps what nobody has begun again', async () => {
  const place = await world.place()
  const ids = await place.submit(3)
  const pilot = await place.pilot()
  await pilot.take()
  await world.pass(10 * minute)
  expect(await pilotState(pilot)).toBe('gone')
  expect(await allOf(ids)).toEqual({ state: 'activated', attempt: 1, pilotId: null })
  const other = await place.pilot()
  const [taken] = await other.take({ jobs: 1 })
  const { drop } = await pilot.renew()
  expect(drop).toEqual([{ jobId: taken!.jobId, attempt: 1 }])
  const kept = ids.filter((id) => showId('j', id) !== taken!.jobId)
  expect(await allOf(kept)).toEqual({ state: 'running', attempt: 1, pilotId: pilot.id })
  expect(await pilotState(pilot)).toBe('online')
  // What it has again nobody else gets, and it is watched as before.
  expect(await other.take()).toEqual([])
  expect(await pilot.report([...pilot.held.values()].map((job) => finished(job)))).toEqual(['moved', 'moved'])
  expect(await attemptsOf(kept[0]!)).toEqual(['finished'])
  expect(await other.report([finished(taken!)])).toEqual(['moved'])
  expect(await attemptsOf(readId('j', taken!.jobId)!)).toEqual(['lost', 'finished'])
})

test('what it has again is watched: silent once more, it is lost once more', async () => {
  const place = await world.place()
  const [id] = await place.submit(1)
  const pilot = await place.pilot()
  await pilot.take()
  await world.pass(2 * minute)
  await pilot.renew()
  expect(await allOf([id!])).toEqual({ state: 'running', attempt: 1, pilotId: pilot.id })
  await world.pass(2 * minute)
  expect((await allOf([id!])).state).toBe('activated')
  expect(await attemptsOf(id!)).toEqual(['lost'])
})

test('a report that comes before the renewal counts too, as long as nobody has begun the job again', async () => {
  const place = await world.place()
  const [id, other] = await place.submit(2)
  const pilot = await place.pilot()
  await pilot.take()
  await world.pass(10 * minute)
  const second = await place.pilot()
  const reports = [
    finished(nameOf(id!), 'late'),
    { ...nameOf(other!), what: 'failed' as const, cause: 'user' as const },
  ]
  expect(await pilot.report(reports)).toEqual(['moved', 'moved'])
  expect((await jobsOf([id!, other!])).map((j) => j.state)).toEqual(['finished', 'failed'])
  expect(await resultOf(id!)).toBe('"late"')
  expect(await second.take()).toEqual([])
  expect(await pilot.report(reports)).toEqual(['stale', 'stale'])
})

test('an old attempt is refused: its report as an answer, and its payload, its logs and its uploads with it', async () => {
  const place = await world.place()
  const [id] = await place.submit(1)
  const old = await place.pilot()
  const [first] = await old.take()
  const addressFor = async ({ jobId, attempt }: Held) =>
    (
      await createBlob(world.first, place.pilots, {
        hash: sha256('old'),
        bytes: 3,
        workflowId: place.workflowId,
        jobId,
        attempt,
      })
    ).url!
  const address = await addressFor(first!)
  await expect(authenticate(world.first, `Bearer ${first!.token}`)).resolves.toMatchObject({ kind: 'job', attempt: 1 })
  await world.pass(2 * minute)
  await expect(authenticate(world.first, `Bearer ${first!.token}`)).rejects.toMatchObject({ code: 'unauthenticated' })
  const other = await place.pilot()
  const [second] = await other.take()
  expect(second).toMatchObject({ jobId: first!.jobId, attempt: 2 })
  for (const what of ['starting', 'running', 'awaiting', 'woken', 'failed', 'cancelled', 'returned'] as const)
    expect(await old.report([{ ...nameOf(id!), what }])).toEqual(['stale'])
  expect(await old.report([finished(first!, 'old')])).toEqual(['stale'])
  const chunk = { ...nameOf(id!), stream: 'stdout' as const, offset: 0, text: 'old' }
  expect(await keepLogs(world.first, place.pilots, old.id, old.epoch, [chunk])).toEqual({ kept: 0 })
  await expect(upload(address)).rejects.toMatchObject({ code: 'attempt_over' })
  await expect(addressFor(first!)).rejects.toMatchObject({ code: 'attempt_over' })
  expect(await blobBytes(world.first.db, 1, sha256('old'))).toBeUndefined()
  expect((await old.renew()).drop).toEqual([nameOf(id!)])
  expect(await allOf([id!])).toEqual({ state: 'sent', attempt: 2, pilotId: other.id })
  expect(await other.report([finished(second!, 'new')])).toEqual(['moved'])
  expect(await old.report([finished(first!, 'old')])).toEqual(['stale'])
  expect(await resultOf(id!)).toBe('"new"')
})

test('an upload that was begun in time is not registered when its attempt is over at its end', async () => {
  const place = await world.place()
  await place.submit(1)
  const pilot = await place.pilot()
  const [job] = await pilot.take()
  const hash = sha256('old')
  const of = { workflowId: place.workflowId, jobId: job!.jobId, attempt: 1 }
  const { url } = await createBlob(world.first, place.pilots, { hash, bytes: 3, ...of })
  await expect(upload(url!, () => world.pass(2 * minute))).rejects.toMatchObject({ code: 'attempt_over' })
  expect(await blobBytes(world.first.db, 1, hash)).toBeUndefined()
  await pilot.renew()
  await upload(url!)
  expect(await blobBytes(world.first.db, 1, hash)).toBe(3)
})

test('a pilot keeps its last words, and those of an attempt that nobody has followed', async () => {
  const place = await world.place()
  const [ended, lost] = await place.submit(2)
  const pilot = await place.pilot()
  await pilot.take()
  await pilot.report([finished(nameOf(ended!))])
  await world.pass(2 * minute)
  const chunks = [ended!, lost!].map((id) => ({ ...nameOf(id), stream: 'stderr' as const, offset: 0, text: 'word' }))
  expect(await keepLogs(world.first, place.pilots, pilot.id, pilot.epoch, chunks)).toEqual({ kept: 2 })
})

test('a pilot that was told to cancel and fell silent does not get its job back', async () => {
  const place = await world.place()
  const [id] = await place.submit(1)
  const pilot = await place.pilot()
  await pilot.take()
  await world.first.db.run(sql`update job set cancel_asked = true where id = ${id}`)
  await world.pass(2 * minute)
  expect((await allOf([id!])).state).toBe('cancelled')
  expect((await pilot.renew()).drop).toEqual([nameOf(id!)])
  expect(await pilot.report([finished(nameOf(id!))])).toEqual(['stale'])
})

test('a new start has its earlier self’s jobs given to others at once; what that one says is refused', async () => {
  const place = await world.place()
  const [id] = await place.submit(1)
  const old = await place.pilot({ name: 'phoenix' })
  const [job] = await old.take()
  const fresh = await place.pilot({ name: 'phoenix' })
  expect([fresh.id, fresh.epoch]).toEqual([old.id, 2])
  expect((await allOf([id!])).state).toBe('activated')
  await expect(old.renew()).rejects.toMatchObject({ code: 'pilot_replaced' })
  await expect(old.claim()).rejects.toMatchObject({ code: 'pilot_replaced' })
  expect(await old.report([finished(job!)])).toEqual(['stale'])
  expect((await allOf([id!])).state).toBe('activated')
  expect(await fresh.take()).toMatchObject([{ attempt: 2 }])
  expect(await fresh.report([finished({ ...job!, attempt: 2 })])).toEqual(['moved'])
})

test('a registration that comes twice or late is no new start: the pilot keeps its epoch and its jobs', async () => {
  const place = await world.place()
  const [id] = await place.submit(1)
  const pilot = await place.pilot({ name: 'steady', start: 7 })
  await pilot.take()
  const again = await place.pilot({ name: 'steady', start: 7, at: await world.server() })
  expect([again.id, again.epoch]).toEqual([pilot.id, pilot.epoch])
  await expect(place.pilot({ name: 'steady', start: 6 })).rejects.toMatchObject({ code: 'pilot_replaced' })
  expect(await jobsOf([id!])).toEqual([{ state: 'sent', attempt: 1, pilotId: pilot.id }])

  const newer = await place.pilot({ name: 'steady', start: 8 })
  expect(newer.epoch).toBeGreaterThan(pilot.epoch)
  expect(await jobsOf([id!])).toEqual([{ state: 'activated', attempt: 1, pilotId: null }])
  const [job] = await newer.take()
  expect(await newer.report([finished(job!)])).toEqual(['moved'])
})

test('a pilot whose registration was answered by nobody is given up, and has the same start when it asks again', async () => {
  const place = await world.place()
  const lost = await place.pilot({ name: 'unheard', start: 3 })
  await world.first.db.run(sql`update pilot set state = 'gone' where id = ${lost.id}`)
  const heard = await place.pilot({ name: 'unheard', start: 3 })
  expect(heard.epoch).toBe(lost.epoch)
  await place.submit(1)
  const [job] = await heard.take()
  expect(await heard.report([finished(job!)])).toEqual(['moved'])
  expect(await pilotState(heard)).toBe('online')
})

test('on another machine a pilot of the same name must wait until the first one has fallen silent', async () => {
  const place = await world.place()
  await place.submit(1)
  const old = await place.pilot({ name: 'shared', host: 'a' })
  await old.take()
  await world.pass(20)
  await expect(place.pilot({ name: 'shared', host: 'b' })).rejects.toMatchObject({ code: 'pilot_elsewhere' })
  expect(await allOf([readId('j', [...old.held.keys()][0]!)!])).toMatchObject({ state: 'sent', pilotId: old.id })
  await world.pass(26)
  const fresh = await place.pilot({ name: 'shared', host: 'b' })
  expect(fresh.epoch).toBe(2)
  expect(await fresh.take()).toMatchObject([{ attempt: 2 }])
})

test('a pilot of an epoch that a restored database does not know yet is unknown, not replaced', async () => {
  const place = await world.place()
  const pilot = await place.pilot()
  await world.first.db.run(sql`update pilot set epoch = 0 where id = ${pilot.id}`)
  await expect(pilot.renew()).rejects.toMatchObject({ code: 'pilot_unknown' })
  await expect(pilot.claim()).rejects.toMatchObject({ code: 'pilot_unknown' })
  await world.first.db.run(sql`update pilot set epoch = 1 where id = ${pilot.id}`)
})

test('a pilot of another queue has no say', async () => {
  const [place, elsewhere] = [await world.place(), await world.place()]
  const [id] = await place.submit(1)
  const pilot = await place.pilot()
  await pilot.take()
  const renewal = { epoch: pilot.epoch, held: '0'.repeat(64) }
  await expect(renewPilot(world.first, elsewhere.pilots, pilot.id, renewal)).rejects.toMatchObject({
    code: 'pilot_unknown',
  })
  const report = reportJobs(world.first, elsewhere.pilots, pilot.id, pilot.epoch, [finished(nameOf(id!), 'forged')])
  await expect(report).rejects.toMatchObject({ code: 'pilot_unknown' })
  expect((await allOf([id!])).state).toBe('sent')
})

test('what a claim of an earlier start took while the pilot started anew goes back', async () => {
  const place = await world.place()
  const [id] = await place.submit(1)
  const old = await place.pilot({ name: 'racer' })
  const fresh = await place.pilot({ name: 'racer' })
  // As the claim's statement leaves it when it has read the epoch just before the registration committed.
  await world.first.db.run(sql`update pilot set epoch = 1 where id = ${old.id}`)
  await old.claim()
  await world.first.db.run(sql`update pilot set epoch = 2 where id = ${old.id}`)
  await fresh.renew()
  expect(await attemptsOf(id!)).toEqual(['returned'])
  expect(await fresh.take()).toMatchObject([{ attempt: 2 }])
})

test('a pilot that is gone and claims before it renews is online again first, and so is watched', async () => {
  const place = await world.place()
  const pilot = await place.pilot()
  await world.pass(minute)
  expect(await pilotState(pilot)).toBe('gone')
  const [id] = await place.submit(1)
  await pilot.take()
  expect(await allOf([id!])).toMatchObject({ state: 'sent', pilotId: pilot.id })
  expect(await pilotState(pilot)).toBe('online')
  await world.pass(2 * minute)
  expect((await allOf([id!])).state).toBe('activated')
})

test('a claim that was still under way when its pilot left gets nothing; leaving twice is leaving once', async () => {
  const place = await world.place()
  const [id] = await place.submit(1)
  const pilot = await place.pilot()
  await pilot.take()
  expect(await pilot.leave()).toEqual({ returned: 1 })
  expect(await pilot.leave()).toEqual({ returned: 0 })
  await expect(pilot.claim()).rejects.toMatchObject({ code: 'pilot_replaced' })
  expect(await allOf([id!])).toEqual({ state: 'activated', attempt: 1, pilotId: null })
  expect(await pilotState(pilot)).toBe('gone')
  expect(await attemptsOf(id!)).toEqual(['returned'])
})

test('the same claim number gets the same answer, by whichever process', async () => {
  const place = await world.place()
  const second = await world.server()
  await place.submit(3)
  const pilot = await place.pilot()
  await pilot.claim({ at: second, jobs: 1 })
  const lost = await pilot.claim({ jobs: 2 })
  expect(lost.jobs).toHaveLength(2)
  expect((await pilot.claim({ seq: 2, jobs: 2 })).jobs).toEqual(lost.jobs)
  // The second process knows of no work, and answered the claim before: it looks all the same.
  expect(await (await place.pilot({ at: second })).take()).toEqual([])
  expect((await pilot.claim({ at: second, seq: 2, jobs: 2, waitSeconds: 5 })).jobs).toEqual(lost.jobs)
})

test('jobs whose claim was never answered go back uncounted, once the answer can no longer be under way', async () => {
  const place = await world.place()
  const ids = await place.submit(2)
  const pilot = await place.pilot()
  await pilot.claim()
  await world.pass(14)
  await pilot.renew()
  expect((await allOf(ids)).state).toBe('sent')
  await world.pass(2)
  await pilot.renew()
  expect(await allOf(ids)).toEqual({ state: 'activated', attempt: 1, pilotId: null })
  expect(await attemptsOf(ids[0]!)).toEqual(['returned'])
  expect(await pilot.take()).toMatchObject([{ attempt: 2 }, { attempt: 2 }])
})

test('an answer to a claim that takes however long is under way as long as its pilot says that it waits for it', async () => {
  const place = await world.place()
  const ids = await place.submit(2)
  const pilot = await place.pilot()
  await pilot.claim({ seq: 1 })
  for (let n = 0; n < 3; n++) {
    await world.pass(20)
    await pilot.renew(world.first, 1)
    expect(await allOf(ids)).toEqual({ state: 'sent', attempt: 1, pilotId: pilot.id })
  }
  expect(await pilot.take({ seq: 1 })).toMatchObject([{ attempt: 1 }, { attempt: 1 }])
  pilot.held.clear()
  await pilot.renew(world.first, 2)
  expect(await allOf(ids)).toEqual({ state: 'activated', attempt: 1, pilotId: null })
})

test('a pilot all of whose jobs were given away is told so, though the server knows of none', async () => {
  const place = await world.place()
  const [id] = await place.submit(1)
  const [old, other] = [await place.pilot(), await place.pilot()]
  await old.take()
  await world.pass(2 * minute)
  await other.renew()
  await other.report((await other.take()).map((job) => finished(job)))
  expect((await old.renew()).drop).toEqual([nameOf(id!)])
  expect(old.held.size).toBe(0)
})

test('many pilots with many jobs fall silent at once, and each job is given up once', async () => {
  const place = await world.place()
  const ids = await place.submit(700)
  const big = await place.pilot()
  await big.take({ jobs: 600 })
  for (let n = 0; n < 10; n++) await (await place.pilot({ slots: 10 })).take()
  await world.pass(46, { hearing: [world.first] })
  await world.pass(20, { hearing: [world.first] })
  expect(await allOf(ids)).toEqual({ state: 'activated', attempt: 1, pilotId: null })
  expect(await attemptsOf(ids[650]!)).toEqual(['lost'])
  expect(await pilotState(big)).toBe('gone')
})

test('what it has again nobody else can claim, also when it waits for its slot in between', async () => {
  const place = await world.place()
  const [id] = await place.submit(1)
  const [pilot, other] = [await place.pilot(), await place.pilot()]
  await pilot.take()
  await world.pass(2 * minute)
  await pilot.renew()
  expect(await pilot.report([{ ...nameOf(id!), what: 'awaiting' }])).toEqual(['moved'])
  expect(await pilot.report([{ ...nameOf(id!), what: 'woken' }])).toEqual(['moved'])
  expect(await other.take()).toEqual([])
  expect((await pilot.claim()).resumed).toEqual([nameOf(id!)])
  expect(await pilot.report([finished(nameOf(id!))])).toEqual(['moved'])
})
