import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { finished, type Held, startWorld } from '../../../test/support/engines.ts'
import { brokenInvariants } from '../../../test/support/invariants.ts'
import type { PostedBody } from '../../contract/callbacks.ts'
import type { Outcome } from '../../contract/jobs.ts'
import type { ClaimedJob, Report } from '../../contract/pilots.ts'
import type { NewTask } from '../../contract/tasks.ts'
import { newWorkflow } from '../../contract/workflows.ts'
import { readId, showId } from '../../lib/ids.ts'
import { sql } from '../../store/db.ts'
import { authenticate } from '../access/authenticate.ts'
import { readSigned } from '../blobs.ts'
import { dueTimers } from '../dueTimers.ts'
import type { Engine } from '../engine/engine.ts'
import { explainJob } from '../explain.ts'
import { keepLogs } from '../pilots/logs.ts'
import { cancelJob } from '../steer/cancel.ts'
import { getJob, jobHistory } from '../views/jobs.ts'
import { readJournal } from '../workflows/journal.ts'
import { createWorkflow } from '../workflows/workflows.ts'
import { createCallback, forgetPosted, postToCallback, readCallback } from './callbacks.ts'

let world: Awaited<ReturnType<typeof startWorld>>
let second: Engine
beforeAll(async () => {
  world = await startWorld()
  second = await world.server()
})
afterEach(async () => {
  expect(await brokenInvariants(world.first.db)).toEqual([])
})
afterAll(() => world.close())

const minute = 60

type Place = Awaited<ReturnType<typeof world.place>>
type Address = { path: string; expiresAt: string }

/** A job of a queue of its own, that a pilot has begun. */
const begun = async (more: Partial<NewTask> = {}, place?: Place) => {
  const there = place ?? (await world.place())
  const [id] = await there.submit(1, more)
  const pilot = await there.pilot()
  const [job] = await pilot.take()
  return { place: there, pilot, id: id!, job: job! }
}

/** One whose payload has ended, and left an address that holds for ten minutes. */
const deferred = async (more: Partial<NewTask> = {}) => {
  const running = await begun(more)
  const address = await ask(running.job)
  await running.pilot.report([later(running.job, address)])
  running.pilot.held.clear()
  return { ...running, address }
}

const ask = async (job: ClaimedJob, seconds = 10 * minute): Promise<Address> => {
  const payload = await authenticate(world.first, `Bearer ${job.token}`)
  return createCallback(world.first, payload, readId('j', job.jobId)!, seconds)
}

const later = ({ jobId, attempt }: Held, { expiresAt }: { expiresAt: string }, more: Partial<Report> = {}): Report => ({
  jobId,
  attempt,
  what: 'deferred',
  until: expiresAt,
  ...more,
})

const failed = ({ jobId, attempt }: Held): Report => ({ jobId, attempt, what: 'failed', cause: 'user' })

/** Posts as the API does; `change` tampers with the address. */
const post = async (
  { path }: { path: string },
  body: PostedBody,
  { at = world.first, change = {} }: { at?: Engine; change?: Record<string, string> } = {},
) => {
  const url = new URL(path, 'http://here')
  const id = readId('j', url.pathname.split('/').at(-1)!)!
  const callback = readCallback(at, id, { ...Object.fromEntries(url.searchParams), ...change })
  return postToCallback(at, callback, body, JSON.stringify(body))
}

const oops = { error: { type: 'Oops', message: 'no' } }

/** The code of the fault, or `taken`. */
const codeOf = (posting: Promise<unknown>): Promise<string> =>
  posting.then(
    () => 'taken',
    (error) => error.code,
  )

const rowOf = (id: number) =>
  world.first.db.row<{
    state: string
    attempt: number
    value: string | null
    cause: string | null
    error: string | null
  }>(
    sql`select j.state, j.attempt, r.value, r.cause, r.error from job j left join result r on r.job_id = j.id where j.id = ${id}`,
  )

const endings = async (id: number) =>
  (
    await world.first.db.rows<{ ending: string }>(sql`select ending from attempt where job_id = ${id} order by attempt`)
  ).map((row) => row.ending)

/** Moves of a job since it was claimed. */
const storyOf = async ({ place, id }: { place: Place; id: number }) =>
  (await jobHistory(world.first, place.ann, id, { limit: 50 })).items
    .map(({ to, trigger }) => `${trigger} → ${to}`)
    .filter((move) => !move.startsWith('claimed'))

const left = async (id: number) =>
  world.first.db.rows(
    sql`select 'deferred' as what from deferred where job_id = ${id} union all select 'timer' from timer where kind = 'callback' and id = ${id}`,
  )

/** What listeners of the workflow are told of its jobs' ends. */
const listening = ({ workflowId }: Place) => {
  const heard: string[] = []
  const send = ({ data }: { data: unknown }) => {
    const { jobId, state, value } = data as Outcome
    heard.push(`${jobId} ${state} ${value && 'text' in value ? value.text : ''}`.trim())
  }
  const kinds = new Set(['outcome'] as const)
  world.first.hub.subscribe({ workflowId: readId('w', workflowId)!, kinds, scope: 'all', send })
  return heard
}

describe('a value', () => {
  test('that is posted after the report ends the attempt well: result, children, listeners, and what the attempt used', async () => {
    const one = await begun()
    const [child] = await one.place.submit(1, { jobs: [{ args: { text: '{}' }, after: [`j${one.id}`] }] })
    const address = await ask(one.job)
    const usage = { wallSeconds: 2, cpuSeconds: 1, maxRssMb: 30 }
    expect(await one.pilot.report([later(one.job, address, { usage })])).toEqual(['moved'])
    expect(await rowOf(one.id)).toMatchObject({ state: 'holding', attempt: 1, value: null })
    expect((await rowOf(child!))!.state).toBe('pending')
    const heard = listening(one.place)
    await post(address, { value: 42 })
    expect(await rowOf(one.id)).toEqual({ state: 'finished', attempt: 1, value: '42', cause: null, error: null })
    expect((await rowOf(child!))!.state).toBe('activated')
    expect(heard).toEqual([`j${one.id} finished 42`])
    const { attempts } = await getJob(world.first, one.place.ann, one.id)
    expect(attempts).toMatchObject([{ attempt: 1, end: 'finished', usage, pilotId: showId('p', one.pilot.id) }])
    expect(await storyOf(one)).toEqual(['payloadDone → holding', 'registered → finished'])
    expect(await left(one.id)).toEqual([])
  })

  test('that comes before the report waits for it', async () => {
    const one = await begun()
    const address = await ask(one.job)
    await post(address, { value: 'early' })
    expect((await rowOf(one.id))!.state).toBe('sent')
    expect(await one.pilot.report([later(one.job, address)])).toEqual(['moved'])
    expect(await rowOf(one.id)).toMatchObject({ state: 'finished', value: '"early"' })
    expect(await endings(one.id)).toEqual(['finished'])
    expect(await left(one.id)).toEqual([])
  })

  test('counts for nothing when the payload gives one of its own', async () => {
    const one = await begun()
    const address = await ask(one.job)
    await post(address, { value: 'outside' })
    await one.pilot.report([finished(one.job, 'inside')])
    expect(await rowOf(one.id)).toMatchObject({ state: 'finished', value: '"inside"' })
  })

  test('of an attempt that failed is not that of the next, which has an address of its own', async () => {
    const one = await begun({ attempts: { user: 2, site: 3, lost: 5 } })
    const [used, unused] = [await ask(one.job), await ask(one.job, 5 * minute)]
    await post(used, { value: 'first' })
    await one.pilot.report([failed(one.job)])
    await world.pass(2, { heard: [one.pilot] })
    const [again] = await one.pilot.take()
    const address = await ask(again!)
    await one.pilot.report([later(again!, address)])
    expect(await rowOf(one.id)).toMatchObject({ state: 'holding', attempt: 2 })
    expect(await codeOf(post(used, { value: 'late' }))).toBe('callback_used')
    expect(await codeOf(post(unused, { value: 'first' }))).toBe('taken')
    expect(await rowOf(one.id)).toMatchObject({ state: 'holding', attempt: 2 })
    await post(address, { value: 'second' })
    expect(await rowOf(one.id)).toMatchObject({ state: 'finished', attempt: 2, value: '"second"' })
    expect(await endings(one.id)).toEqual(['failed', 'finished'])
  })

  test('that is posted twice is answered as the first time; another one is refused', async () => {
    const one = await deferred()
    const first = await post(one.address, { value: [1] })
    world.jump(20 * minute)
    expect(await post(one.address, { value: [1] })).toEqual(first)
    expect(await codeOf(post(one.address, { value: [2] }))).toBe('callback_used')
    expect(await codeOf(post(one.address, oops))).toBe('callback_used')
    expect(await rowOf(one.id)).toMatchObject({ state: 'finished', value: '[1]' })
  })

  test('that two post at the same moment is registered once', async () => {
    const one = await deferred()
    const posts = [1, 2, 3, 4].map((value) =>
      codeOf(post(one.address, { value }, { at: value > 2 ? second : world.first })),
    )
    expect((await Promise.all(posts)).sort()).toEqual(['callback_used', 'callback_used', 'callback_used', 'taken'])
    expect(await endings(one.id)).toEqual(['finished'])
  })
})

describe('an error', () => {
  test('fails the attempt as one of the user’s: it runs again as long as it may', async () => {
    const one = await deferred({ attempts: { user: 2, site: 3, lost: 5 } })
    await post(one.address, oops)
    expect(await rowOf(one.id)).toMatchObject({ state: 'activated', attempt: 1 })
    await world.pass(2, { heard: [one.pilot] })
    const [again] = await one.pilot.take()
    expect(again!.attempt).toBe(2)
    const address = await ask(again!)
    await one.pilot.report([later(again!, address)])
    await post(address, { error: { type: 'ValueError', message: 'no such run' } })
    const row = await rowOf(one.id)
    expect(row).toMatchObject({ state: 'failed', attempt: 2, cause: 'user' })
    expect(JSON.parse(row!.error!)).toEqual({ type: 'ValueError', message: 'no such run' })
    expect(await endings(one.id)).toEqual(['failed', 'failed'])
    expect(await storyOf(one)).toEqual([
      'payloadDone → holding',
      'willRetry → activated',
      'payloadDone → holding',
      'gaveUp → failed',
    ])
  })

  test('that comes before the report waits for it as well', async () => {
    const one = await begun()
    const address = await ask(one.job)
    await post(address, { error: { type: 'Odd\u0000', message: 'with \u0000 and \ud800' } })
    expect(await one.pilot.report([later(one.job, address)])).toEqual(['moved'])
    expect(await rowOf(one.id)).toMatchObject({ state: 'failed', cause: 'user' })
    expect(await left(one.id)).toEqual([])
  })
})

describe('when the time is over', () => {
  test('the attempt fails by it; a value that comes then is refused, and changes nothing', async () => {
    const one = await deferred()
    world.jump(10 * minute)
    expect(await codeOf(post(one.address, { value: 1 }))).toBe('callback_expired')
    expect((await rowOf(one.id))!.state).toBe('holding')
    await world.look()
    const row = await rowOf(one.id)
    expect(row).toMatchObject({ state: 'failed', cause: 'user' })
    expect(JSON.parse(row!.error!)).toMatchObject({
      type: 'CallbackTimeout',
      message: expect.stringContaining(`j${one.id} (attempt 1) until ${one.address.expiresAt}`),
    })
    expect(await codeOf(post(one.address, { value: 1 }))).toBe('callback_expired')
    expect(await left(one.id)).toEqual([])
  })

  test('it runs again if it may', async () => {
    const one = await deferred({ attempts: { user: 2, site: 3, lost: 5 } })
    await world.pass(10 * minute, { heard: [one.pilot] })
    expect(await rowOf(one.id)).toMatchObject({ state: 'activated', attempt: 1 })
    await world.pass(2, { heard: [one.pilot] })
    const [again] = await one.pilot.take()
    await one.pilot.report([finished(again!)])
  })

  test('a value that was in time stays', async () => {
    const one = await deferred()
    await world.pass(10 * minute - 1)
    await post(one.address, { value: 1 })
    await world.pass(2)
    expect(await rowOf(one.id)).toMatchObject({ state: 'finished', value: '1' })
  })

  test('before the payload has ended, what was posted in time still counts, and without that it fails', async () => {
    const [early, none] = [await begun(), await begun()]
    const addresses = [await ask(early.job, 10), await ask(none.job, 10)]
    await post(addresses[0]!, { value: 1 })
    world.jump(20)
    await early.pilot.report([later(early.job, addresses[0]!)])
    await none.pilot.report([later(none.job, addresses[1]!)])
    expect((await rowOf(early.id))!.state).toBe('finished')
    expect((await rowOf(none.id))!.state).toBe('holding')
    await world.look()
    expect(await rowOf(none.id)).toMatchObject({ state: 'failed', cause: 'user' })
  })

  test('a payload that says it waits for ever waits a year', async () => {
    const one = await begun()
    await one.pilot.report([later(one.job, { expiresAt: '2999-01-01T00:00:00Z' })])
    world.jump(365 * 86_400)
    await world.look()
    expect((await rowOf(one.id))!.state).toBe('failed')
  })
})

describe('a cancel', () => {
  test('of a job that waits for its value is done at once; a value that comes then is refused', async () => {
    const one = await deferred()
    expect(await cancelJob(world.first, one.place.ann, one.id, 'enough')).toEqual({ cancelled: 1, asked: 0 })
    expect(await rowOf(one.id)).toMatchObject({ state: 'cancelled', cause: 'cancelled' })
    expect(await codeOf(post(one.address, { value: 1 }))).toBe('callback_over')
    expect(await endings(one.id)).toEqual(['cancelled'])
    expect(await storyOf(one)).toEqual(['payloadDone → holding', 'cancelConfirmed → cancelled'])
    expect(await left(one.id)).toEqual([])
  })

  test('that comes after the value finds nothing to cancel', async () => {
    const one = await deferred()
    await post(one.address, { value: 1 })
    expect(await codeOf(cancelJob(world.first, one.place.ann, one.id, 'enough'))).toBe('not_cancellable')
  })

  test('that was asked for while the payload ran is done when it ends without a value', async () => {
    const one = await begun()
    const address = await ask(one.job)
    expect(await cancelJob(world.first, one.place.ann, one.id, 'enough')).toEqual({ cancelled: 0, asked: 1 })
    expect(await one.pilot.report([later(one.job, address)])).toEqual(['moved'])
    expect((await rowOf(one.id))!.state).toBe('cancelled')
    expect(await left(one.id)).toEqual([])
  })

  test('loses to a value that was there before the payload ended', async () => {
    const one = await begun()
    const address = await ask(one.job)
    await cancelJob(world.first, one.place.ann, one.id, 'enough')
    await post(address, { value: 1 })
    await one.pilot.report([later(one.job, address)])
    expect(await rowOf(one.id)).toMatchObject({ state: 'finished', value: '1' })
  })
})

describe('its pilot', () => {
  test('has no part in it any more: silent, gone or started anew, nothing happens', async () => {
    const [silent, leaving, anew] = [await deferred(), await deferred(), await deferred()]
    await leaving.pilot.leave()
    await anew.place.pilot({ name: 'anew' })
    await world.pass(9 * minute)
    for (const { id, address, pilot } of [silent, leaving, anew]) {
      expect((await rowOf(id))!.state).toBe('holding')
      expect(
        await pilot.claim().then(
          ({ jobs }) => jobs,
          () => [],
        ),
      ).toEqual([])
      await post(address, { value: 1 })
      expect(await endings(id)).toEqual(['finished'])
    }
  })

  test('may repeat its report, and drops what it still lists', async () => {
    const one = await begun()
    const address = await ask(one.job)
    expect(await one.pilot.report([later(one.job, address)])).toEqual(['moved'])
    expect(await one.pilot.report([later(one.job, address)])).toEqual(['stale'])
    expect(await one.pilot.report([finished(one.job)])).toEqual(['stale'])
    expect((await one.pilot.renew()).drop).toEqual([{ jobId: one.job.jobId, attempt: 1 }])
    await post(address, { value: 1 })
    expect(await one.pilot.report([later(one.job, address)])).toEqual(['stale'])
    expect(await endings(one.id)).toEqual(['finished'])
  })

  test('that was lost may come back with the report, and with what was posted meanwhile', async () => {
    const [one, other] = [await begun(), await begun()]
    const [address, early] = [await ask(one.job), await ask(other.job)]
    await world.pass(2 * minute)
    expect((await rowOf(one.id))!.state).toBe('activated')
    await post(early, { value: 'meanwhile' })
    expect(await one.pilot.report([later(one.job, address)])).toEqual(['moved'])
    expect(await other.pilot.report([later(other.job, early)])).toEqual(['moved'])
    expect((await rowOf(one.id))!.state).toBe('holding')
    expect(await rowOf(other.id)).toMatchObject({ state: 'finished', value: '"meanwhile"' })
    await post(address, { value: 1 })
    expect(await endings(one.id)).toEqual(['finished'])
  })

  test('is stale with an attempt that was given to others, and so is its address', async () => {
    const one = await begun()
    const address = await ask(one.job)
    await world.pass(2 * minute)
    const other = await one.place.pilot()
    const [again] = await other.take()
    expect(await one.pilot.report([later(one.job, address)])).toEqual(['stale'])
    expect(await codeOf(post(address, { value: 1 }))).toBe('callback_over')
    expect(await rowOf(one.id)).toMatchObject({ state: 'sent', attempt: 2 })
    await other.report([finished(again!)])
  })

  test('may still send its last words, and its payload has no say any more', async () => {
    const one = await deferred()
    const chunks = [{ jobId: one.job.jobId, attempt: 1, stream: 'stdout' as const, offset: 0, text: 'sent' }]
    expect(await keepLogs(world.first, one.place.pilots, one.pilot.id, one.pilot.epoch, chunks)).toEqual({ kept: 1 })
    await expect(authenticate(world.first, `Bearer ${one.job.token}`)).rejects.toMatchObject({
      code: 'unauthenticated',
    })
    await post(one.address, { value: 1 })
  })

  test('reports how long it may take, or is refused', async () => {
    const one = await begun()
    const { until: _, ...report } = later(one.job, { expiresAt: '' })
    await expect(one.pilot.report([report])).rejects.toMatchObject({ code: 'fields_disagree' })
    await one.pilot.report([finished(one.job)])
  })
})

describe('an address', () => {
  test('is of one attempt of one job until one time: changed in any of them it is none', async () => {
    const [one, other] = [await deferred(), await deferred()]
    const path = one.address.path.replace(`j${one.id}`, `j${other.id}`)
    expect(await codeOf(post({ path }, { value: 1 }))).toBe('callback_invalid')
    for (const change of [{ a: '2' }, { x: '9999999999' }, { s: 'x'.repeat(43) }, { s: '' }] as Record<
      string,
      string
    >[])
      expect(await codeOf(post(one.address, { value: 1 }, { change }))).toBe('callback_invalid')
    expect((await rowOf(one.id))!.state).toBe('holding')
    for (const { address } of [one, other]) await post(address, { value: 1 })
  })

  test('does not serve for bytes, nor one for bytes here', async () => {
    const one = await deferred()
    const callback = Object.fromEntries(new URL(one.address.path, 'http://here').searchParams)
    const hash = 'a'.repeat(64)
    const bytes = { e: '1', n: '1', x: callback.x, s: callback.s }
    expect(() => readSigned(world.first, 'GET', hash, bytes)).toThrow('the signature is wrong')
    expect(world.first.keys.callbacks).not.toEqual(world.first.keys.content)
    await post(one.address, { value: 1 })
  })

  test('is given to a job for itself alone', async () => {
    const one = await begun({ jobs: [{ args: { text: '{}' } }, { args: { text: '{}' } }] })
    const payload = await authenticate(world.first, `Bearer ${one.job.token}`)
    for (const who of [payload, one.place.ann])
      await expect(createCallback(world.first, who, one.id + 1, 60)).rejects.toMatchObject({ code: 'job_unknown' })
    await cancelJob(world.first, one.place.ann, one.id + 1, 'not needed').catch(() => {})
    await one.pilot.report((await one.pilot.take()).concat(one.job).map((job) => finished(job)))
  })
})

test('whoever asks why is told that it waits, until when, and since when; the attempt is shown with it', async () => {
  const one = await deferred()
  const since = world.now().toISOString()
  await world.pass(2 * minute, { hearing: [world.first] })
  const { cause, sentence, evidence } = await explainJob(world.first, one.place.ann, one.id)
  expect(cause).toBe('waits_for_callback')
  expect(sentence).toContain(one.address.expiresAt)
  expect(evidence).toContain(`attempt 1 waits since ${since}`)
  const { attempts } = await getJob(world.first, one.place.ann, one.id)
  expect(attempts).toMatchObject([{ attempt: 1, end: null, endedAt: since }])
  await post(one.address, { value: 1 })
})

test('a program that is led along its way waits on for a call that has no value yet', async () => {
  const place = await world.place()
  const program = newWorkflow.parse({ name: 'test', kind: 'function' })
  const { workflowId } = await createWorkflow(world.first, place.ann, program)
  const [id] = await place.submit(1, { workflowId, call: { key: 'ask:1', epoch: 1 } })
  const pilot = await place.pilot()
  const [job] = await pilot.take()
  const address = await ask(job!)
  await pilot.report([later(job!, address)])
  const query = { scope: 'driver', after: 0, limit: 10 } as const
  const journal = async () => (await readJournal(world.first, place.ann, readId('w', workflowId)!, query)).items
  expect(await journal()).toMatchObject([{ firstJobId: `j${id}`, outcome: null }])
  await post(address, { value: 7 })
  expect(await journal()).toMatchObject([{ outcome: { state: 'finished', value: { text: '7' } } }])
})

test('what was posted is forgotten a day after its address has ended, but not while its attempt may need it', async () => {
  const [over, running] = [await deferred(), await begun()]
  await post(over.address, { value: 1 })
  const address = await ask(running.job)
  await post(address, { value: 2 })
  const kept = async () =>
    (
      await world.first.db.rows<{ id: number }>(
        sql`select job_id as id from callback where job_id in (${over.id}, ${running.id})`,
      )
    ).map((row) => row.id)
  world.jump(23 * 60 * minute)
  await forgetPosted(world.first)
  expect(await kept()).toEqual([over.id, running.id])
  world.jump(2 * 60 * minute)
  await forgetPosted(world.first)
  expect(await kept()).toEqual([running.id])
  expect(await codeOf(post(over.address, { value: 1 }))).toBe('callback_expired')
  await running.pilot.report([later(running.job, address)])
  expect(await rowOf(running.id)).toMatchObject({ state: 'finished', value: '2' })
})

/** What may happen to an attempt; those of one step happen at the same moment, at two servers. */
const event = fc.constantFrom(
  'post one',
  'post one',
  'post other',
  'post error',
  'defer',
  'defer',
  'finish',
  'fail',
  'cancel',
  'time is over',
)
const scene = fc.record({
  steps: fc.array(fc.array(event, { minLength: 1, maxLength: 4, size: 'max' }), {
    minLength: 1,
    maxLength: 4,
    size: 'max',
  }),
  user: fc.integer({ min: 1, max: 2 }),
})

test('whatever is posted, reported and asked for at the same moment, nothing is finished twice, and what counts is what was taken', async () => {
  await fc.assert(
    fc.asyncProperty(scene, async ({ steps, user }) => {
      const one = await begun({ attempts: { user, site: 3, lost: 5 } })
      const address = await ask(one.job)
      const taken: string[] = []
      const posting = (name: string, body: PostedBody, at: Engine) =>
        post(address, body, { at }).then(
          () => taken.push(name),
          (error) => expect(['callback_used', 'callback_over', 'callback_expired']).toContain(error.code),
        )
      const happen = {
        'post one': (at) => posting('one', { value: 'one' }, at),
        'post other': (at) => posting('other', { value: 'other' }, at),
        'post error': (at) => posting('error', oops, at),
        defer: (at) => one.pilot.report([later(one.job, { expiresAt: soon })], at),
        finish: (at) => one.pilot.report([finished(one.job, 'inside')], at),
        fail: (at) => one.pilot.report([failed(one.job)], at),
        cancel: (at) => cancelJob(at, one.place.ann, one.id, 'enough').catch(() => {}),
        'time is over': (at) => {
          world.jump(10)
          return dueTimers(at)
        },
      } satisfies Record<string, (at: Engine) => Promise<unknown>>
      // Before the address ends, so that a value and the end of the time may come together.
      const soon = new Date(world.now().getTime() + 10_000).toISOString()
      for (const step of steps) {
        await Promise.all(step.map((what, i) => happen[what](i % 2 ? second : world.first)))
        expect(await brokenInvariants(world.first.db)).toEqual([])
      }

      // Whatever is left is brought to its end: by its time, by its pilot, by the next attempt.
      world.jump(20 * minute)
      await world.look()
      await one.pilot.report([finished(one.job, 'inside')])
      world.jump(5)
      await world.look()
      await one.pilot.report((await one.pilot.take()).map((job) => finished(job, 'again')))

      expect(new Set(taken).size).toBeLessThanOrEqual(1)
      const row = (await rowOf(one.id))!
      const ends = await endings(one.id)
      expect(ends.filter((ending) => ending === 'finished')).toHaveLength(row.state === 'finished' ? 1 : 0)
      const story = await storyOf(one)
      expect(story.filter((move) => move.endsWith('finished'))).toHaveLength(row.state === 'finished' ? 1 : 0)
      const isValue = taken.length > 0 && taken[0] !== 'error'
      expect(story.includes('registered → finished')).toBe(isValue && story.includes('payloadDone → holding'))
      if (story.includes('registered → finished')) expect(JSON.parse(row.value!)).toBe(taken[0])
      else if (row.state === 'finished') expect(['"inside"', '"again"']).toContain(row.value)
      else expect(['failed', 'cancelled']).toContain(row.state)
    }),
    { numRuns: 40, interruptAfterTimeLimit: 25_000 },
  )
}, 60_000)
