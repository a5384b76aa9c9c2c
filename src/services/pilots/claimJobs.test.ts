import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { finished, type Held, startWorld } from '../../../test/support/engines.ts'
import { brokenInvariants } from '../../../test/support/invariants.ts'
import { readId } from '../../lib/ids.ts'
import { claimResumes } from '../../store/claims.ts'
import { sql } from '../../store/db.ts'
import type { Engine } from '../engine/engine.ts'
import { cancelJob } from '../steer/cancel.ts'

let world: Awaited<ReturnType<typeof startWorld>>
let servers: Engine[]
beforeAll(async () => {
  world = await startWorld()
  servers = [world.first, await world.server(), await world.server()]
})
afterEach(async () => {
  expect(await brokenInvariants(world.first.db)).toEqual([])
})
afterAll(() => world.close())

/** What one of several pilots does next; `n` of what it holds, or how many it asks for. */
type Act = { what: 'claim' | 'claimAgain' | 'finish' | 'return' | 'cancel' | 'renew'; n: number; at: number }

const act: fc.Arbitrary<Act> = fc.record({
  what: fc.oneof(
    { weight: 4, arbitrary: fc.constant('claim' as const) },
    { weight: 3, arbitrary: fc.constant('claimAgain' as const) },
    { weight: 2, arbitrary: fc.constantFrom('finish' as const, 'cancel' as const) },
    { weight: 1, arbitrary: fc.constantFrom('return' as const, 'renew' as const) },
  ),
  n: fc.integer({ min: 1, max: 5 }),
  at: fc.nat(2),
})

const scene = fc.record({
  tasks: fc.array(fc.record({ jobs: fc.integer({ min: 1, max: 30 }), priority: fc.nat(3) }), {
    minLength: 1,
    maxLength: 3,
  }),
  pilots: fc.array(fc.array(act, { minLength: 3, maxLength: 12 }), { minLength: 2, maxLength: 4 }),
})

test('whoever claims at the same time from several servers, an attempt is handed out once and a job ends once', async () => {
  await fc.assert(
    fc.asyncProperty(scene, async ({ tasks, pilots: scripts }) => {
      const place = await world.place()
      const ids = (await Promise.all(tasks.map(({ jobs, priority }) => place.submit(jobs, { priority })))).flat()
      const handedTo = new Map<string, string>()
      const registered = new Map<string, unknown>()

      const runPilot = async (script: Act[]) => {
        const pilot = await place.pilot({ slots: 50 })
        const asked: { seq: number; jobs: number; got: string[] }[] = []
        let seq = 0
        const note = (jobs: Held[], claimSeq: number) => {
          for (const { jobId, attempt } of jobs) {
            const [key, who] = [`${jobId}:${attempt}`, `${pilot.id}:${claimSeq}`]
            expect(handedTo.get(key) ?? who).toBe(who)
            handedTo.set(key, who)
          }
        }
        const take = async (jobs: number, at: Engine) => {
          const got = await pilot.take({ at, seq: ++seq, jobs })
          expect(got.length).toBeLessThanOrEqual(jobs)
          note(got, seq)
          asked.push({ seq, jobs, got: got.map((j) => j.jobId) })
          return got.length
        }
        const end = async (n: number, what: 'finished' | 'returned', at: Engine) => {
          const some = [...pilot.held.values()].slice(0, n)
          if (some.length === 0) return
          const reports = some.map((job) => (what === 'finished' ? finished(job, `p${pilot.id}`) : { ...job, what }))
          const answers = await pilot.report(reports, at)
          for (const [i, { jobId }] of some.entries()) {
            pilot.held.delete(jobId)
            if (what !== 'finished' || answers[i] !== 'moved') continue
            expect(registered.has(jobId)).toBe(false)
            registered.set(jobId, JSON.stringify(`p${pilot.id}`))
          }
        }
        for (const { what, n, at: which } of script) {
          const at = servers[which]!
          if (what === 'claim') await take(n, at)
          else if (what === 'finish') await end(n, 'finished', at)
          else if (what === 'return') await end(n, 'returned', at)
          else if (what === 'renew') await pilot.renew(at)
          else if (what === 'cancel') await cancelJob(at, place.ann, ids[n % ids.length]!, 'test').catch(() => {})
          else if (asked.length > 0) {
            // The answer was lost on its way: whatever of it is still held comes again, and nothing else.
            const last = asked.at(-1)!
            const { jobs } = await pilot.claim({ at, seq: last.seq, jobs: last.jobs })
            const came = jobs.map((j) => j.jobId)
            if (last.got.some((id) => pilot.held.has(id))) expect(last.got).toEqual(expect.arrayContaining(came))
            // Nothing of it is left: it was made anew, and may have got again what had been returned.
            else last.got = came
            note(jobs, last.seq)
            for (const { jobId, attempt } of jobs) pilot.held.set(jobId, { jobId, attempt })
          }
        }
        // In the end it does what is left.
        do await end(50, 'finished', servers[0]!)
        while ((await take(50, servers[0]!)) > 0 || pilot.held.size > 0)
      }
      await Promise.all(scripts.map(runPilot))
      const sweeper = await place.pilot()
      for (let jobs = await sweeper.take(); jobs.length > 0; jobs = await sweeper.take())
        for (const job of jobs) {
          expect(handedTo.has(`${job.jobId}:${job.attempt}`)).toBe(false)
          await sweeper.report([finished(job, 'swept')])
          registered.set(job.jobId, '"swept"')
        }
      await world.look()

      const rows = await world.first.db.rows<{ id: number; state: string; value: string | null }>(sql`
        select j.id, j.state, r.value from job j left join result r on r.job_id = j.id where j.id = any(${ids}::bigint[])`)
      expect(rows.map((row) => row.state).filter((state) => state !== 'finished' && state !== 'cancelled')).toEqual([])
      const values = new Map(rows.filter((r) => r.state === 'finished').map((row) => [`j${row.id}`, row.value]))
      expect(values).toEqual(registered)
      expect([...registered.keys()].every((id) => ids.includes(readId('j', id)!))).toBe(true)
    }),
    { numRuns: 8, interruptAfterTimeLimit: 25_000 },
  )
}, 60_000)

test('a claim of an earlier start of a pilot, still open, takes no slot from the new one', async () => {
  const place = await world.place()
  await place.submit(1)
  const pilot = await place.pilot()
  const [job] = await pilot.take()
  const { jobId, attempt } = job!
  expect(await pilot.report([{ jobId, attempt, what: 'awaiting' }])).toEqual(['moved'])
  expect(await pilot.report([{ jobId, attempt, what: 'woken' }])).toEqual(['moved'])
  const { db, lanes, clock } = world.first
  const laneId = await lanes.resumeLane(pilot.id, 0)
  const old = { laneId, limit: 1, pilotId: pilot.id, epoch: pilot.epoch - 1, now: clock() }
  expect(await claimResumes(db, old)).toEqual([])
  expect((await pilot.claim()).resumed).toEqual([{ jobId, attempt }])
  expect(await pilot.report([finished(job!)])).toEqual(['moved'])
})

test('two jobs share out the two GPUs of a pilot, a third waits for one of them, and others do not wait with it', async () => {
  const place = await world.place()
  const pilot = await place.pilot({ slots: 8, gpus: 2 })
  const wanted = await place.submit(3, { gpus: 1 })
  const plain = await place.submit(1)
  const names = (ids: number[]) => ids.map((id) => `j${id}`)
  const taken = await pilot.take()
  expect(taken.map(({ jobId }) => jobId)).toEqual(names([wanted[0]!, wanted[1]!, ...plain]))
  expect(await pilot.take({ freeGpus: 0 })).toEqual([])
  expect(await (await place.pilot()).take()).toEqual([])
  expect(await pilot.report([finished(taken[0]!)])).toEqual(['moved'])
  expect((await pilot.take({ freeGpus: 1 })).map(({ jobId }) => jobId)).toEqual(names([wanted[2]!]))
})
