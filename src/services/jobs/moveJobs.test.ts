import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { finished, type Held, startWorld } from '../../../test/support/engines.ts'
import { brokenInvariants } from '../../../test/support/invariants.ts'
import { eventually } from '../../../test/support/server.ts'
import type { Report } from '../../contract/pilots.ts'
import { newTask } from '../../contract/tasks.ts'
import { readId } from '../../lib/ids.ts'
import { sql } from '../../store/db.ts'
import { lockParents } from '../../store/edges.ts'
import { lockFamilies } from '../../store/jobs.ts'
import { type Engine, transact } from '../engine/engine.ts'
import { addJobs } from '../submit/addJobs.ts'
import { submitTask } from '../submit/submitTask.ts'
import { endAttempts } from './endAttempts.ts'

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

/** A node of a graph: which of the earlier nodes it needs, counted from the first (some it may name twice), and whether it will fail. */
const node = fc.record({
  parents: fc.array(fc.nat(1000), { maxLength: 4, size: 'max' }),
  fails: fc.integer({ min: 0, max: 7 }).map((n) => n === 5),
})

const scene = fc.record({
  /** Nodes come in parts, each one request; those of one part cannot need each other. */
  parts: fc.array(fc.array(node, { minLength: 1, maxLength: 6, size: 'max' }), {
    minLength: 2,
    maxLength: 6,
    size: 'max',
  }),
  /** How many jobs each pilot claims at a time, in which order it finishes them, and whether it reports several at once. */
  pilots: fc.array(
    fc.record({ jobs: fc.integer({ min: 1, max: 4 }), backwards: fc.boolean(), together: fc.boolean() }),
    {
      minLength: 2,
      maxLength: 3,
    },
  ),
  /** Whether later parts are tasks of their own, or are added to the first. */
  oneTask: fc.boolean(),
  /** How many parts are there before the pilots begin. */
  headStart: fc.nat(6),
})

test('edges are released once: every job runs exactly once, after all that it needs, or not at all', async () => {
  await fc.assert(
    fc.asyncProperty(scene, async ({ parts, pilots: paces, oneTask, headStart }) => {
      const place = await world.place()
      for (const at of servers) await at.lanes.refresh()
      const fails = new Set<string>()
      const parentsOf = new Map<string, string[]>()
      const reported = new Set<string>()
      const claimed: string[] = []
      let submitting = true
      let begin = () => {}
      const begun = new Promise<void>((resolve) => {
        begin = resolve
      })

      const submitAll = async () => {
        const known: `j${number}`[] = []
        let taskId: `t${number}` | undefined
        for (const [n, part] of parts.entries()) {
          if (n === headStart) begin()
          const jobs = part.map(({ parents }) => ({
            args: { text: '{}' },
            after: known.length > 0 ? parents.map((at) => known[at % known.length]!) : [],
          }))
          const at = servers[n % servers.length]!
          const payload = { kind: 'command', command: ['true'] }
          const { workflowId, queue } = place
          const made =
            taskId && oneTask
              ? await addJobs(at, place.ann, readId('t', taskId)!, {
                  firstIndex: known.length,
                  jobs,
                  close: n === parts.length - 1,
                })
              : await submitTask(
                  at,
                  place.ann,
                  newTask.parse({ workflowId, queue, name: 'test', payload, jobs, open: oneTask && parts.length > 1 }),
                )
          taskId ??= made.taskId
          const first = readId('j', made.firstJobId!)!
          for (const [i, { fails: bad }] of part.entries()) {
            const id = `j${first + i}` as const
            parentsOf.set(id, jobs[i]!.after)
            if (bad) fails.add(id)
            known.push(id)
          }
        }
        submitting = false
        begin()
      }

      const work = async (
        { jobs: n, backwards, together }: { jobs: number; backwards: boolean; together: boolean },
        which: number,
      ) => {
        const at = servers[which % servers.length]!
        const pilot = await place.pilot({ slots: 10, at })
        await begun
        const until = performance.now() + 20_000
        /** What it has, each with what had been reported when it was claimed. */
        const held: { job: Held; before: Set<string> }[] = []
        for (let idle = 0; submitting || held.length > 0 || idle < 3; ) {
          const jobs = await pilot.take({ jobs: n })
          const before = new Set(reported)
          idle = jobs.length > 0 ? 0 : idle + 1
          claimed.push(...jobs.map((job) => job.jobId))
          held.push(...jobs.map((job) => ({ job, before })))
          // It keeps the others while it claims more, so that their children see them unfinished.
          const some = backwards ? held.splice(held.length / 2) : held.splice(0, Math.ceil(held.length / 2))
          const reports: Report[] = []
          for (const { job, before } of some) {
            const { jobId, attempt } = job
            // What it needs, and whether it fails, is known when its part was submitted, which may be answered later than its claim.
            while (!parentsOf.has(jobId)) await new Promise(setImmediate)
            for (const parent of parentsOf.get(jobId)!) expect(before).toContain(parent)
            reported.add(jobId)
            const failed: Report = { jobId, attempt, what: 'failed', cause: 'user' }
            reports.push(fails.has(jobId) ? failed : finished(job))
            if (!together) expect(await pilot.report(reports.splice(0))).toEqual(['moved'])
          }
          if (reports.length > 0) expect(await pilot.report(reports)).toEqual(reports.map(() => 'moved'))
          if (performance.now() > until) throw new Error('jobs are left')
        }
      }
      await Promise.all([submitAll(), ...paces.map(work)])
      await world.look()

      expect(new Set(claimed).size).toBe(claimed.length)
      const fate = new Map<string, string>()
      for (const [id, parents] of parentsOf)
        fate.set(
          id,
          parents.some((p) => fate.get(p) !== 'finished') ? 'cancelled' : fails.has(id) ? 'failed' : 'finished',
        )
      const rows = await world.first.db.rows<{ id: number; state: string }>(sql`
        select j.id, j.state from job j join task t on t.id = j.task_id where t.workflow_id = ${readId('w', place.workflowId)} order by j.id`)
      expect(new Map(rows.map((row) => [`j${row.id}`, row.state]))).toEqual(fate)
    }),
    { numRuns: 8, interruptAfterTimeLimit: 25_000 },
  )
}, 60_000)

/** Somebody waits for a lock. */
const isWaiting = sql`select from pg_locks l join pg_database d on d.oid = l.database or l.database is null where not granted and d.datname = current_database() limit 1`

test('a result that comes while its attempt is given up is told after that, and counts since nobody has begun another', async () => {
  const place = await world.place()
  const [id] = await place.submit(1)
  const pilot = await place.pilot()
  const [job] = await pilot.take()
  const { db } = world.first
  let reported: Promise<unknown> = Promise.resolve()
  await transact(world.first, async (tx, effects) => {
    const jobs = await lockFamilies(tx, [id!], 1000)
    reported = pilot.report([finished(job!)])
    await eventually(async () => (await db.row(isWaiting)) !== undefined, 'the report waits for the job')
    await endAttempts(world.first, tx, effects, { jobs, ending: 'lost', why: 'its pilot is silent' })
  })
  expect(await reported).toEqual(['moved'])
  expect(await db.rows(sql`select ending from attempt where job_id = ${id}`)).toEqual([{ ending: 'finished' }])
})

test('a report and a submission that want the same jobs take their locks in the same order', async () => {
  const place = await world.place()
  const [parent] = await place.submit(1)
  const [child] = await place.submit(1, { jobs: [{ args: { text: '{}' }, after: [`j${parent!}`] }] })
  const [other] = await place.submit(1)
  await place.submit(1, { jobs: [{ args: { text: '{}' }, after: [`j${other!}`] }] })
  const pilot = await place.pilot()
  const held = await pilot.take()
  expect(held.map((job) => job.jobId)).toEqual([`j${parent}`, `j${other}`])
  const { db } = world.first
  let tries = 0
  let reported: Promise<unknown> = Promise.resolve()
  await db.begin(async (tx) => {
    tries++
    await lockParents(tx, [child!])
    reported = pilot.report(held.map((job) => finished(job)))
    await eventually(async () => (await db.row(isWaiting)) !== undefined, 'the report waits for the child')
    // A deadlock would be found after a second, and the report tried again: nobody may have to wait here at all.
    await tx.run(sql`set local lock_timeout = '300ms'`)
    await lockParents(tx, [other!])
  })
  expect([tries, await reported]).toEqual([1, ['moved', 'moved']])
  expect(await pilot.report((await pilot.take()).map((job) => finished(job)))).toEqual(['moved', 'moved'])
})
