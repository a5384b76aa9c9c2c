import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { finished, startWorld } from '../../../test/support/engines.ts'
import { brokenInvariants } from '../../../test/support/invariants.ts'
import { type JobState, jobStates } from '../../domain/job/states.ts'
import type { FoldedTask } from '../../store/counters.ts'
import { curveOf } from '../../store/curves.ts'
import { taskOfJob } from '../../store/jobs.ts'
import { taskCurve } from '../views/tasks.ts'
import { keepCurves } from './curves.ts'

let world: Awaited<ReturnType<typeof startWorld>>
beforeAll(async () => {
  world = await startWorld()
})
afterEach(async () => {
  expect(await brokenInvariants(world.first.db)).toEqual([])
})
afterAll(() => world.close())

/** A task of `n` jobs, of which one finishes every so many seconds. */
const runTask = async (n: number, everySeconds: number) => {
  const place = await world.place()
  const ids = await place.submit(n)
  const taskId = (await taskOfJob(world.first.db, ids[0]!))!
  const pilot = await place.pilot()
  const jobs = await pilot.take()
  await world.look()
  for (const job of jobs) {
    world.jump(everySeconds)
    await pilot.renew()
    await pilot.report([finished(job)])
    await world.look()
  }
  return (await taskCurve(world.first, place.ann, taskId)).items
}

test('a task of some jobs is told moment by moment, from all that wait to all that have finished', async () => {
  const points = await runTask(20, 2)
  expect(points.map(({ counts }) => counts.finished ?? 0)).toEqual([...Array.from({ length: 21 }, (_, i) => i), 20])
  expect(points.every(({ counts }) => counts.total === 20)).toBe(true)
  const times = points.map(({ at }) => Date.parse(at))
  expect(times).toEqual(times.toSorted((a, b) => a - b))
})

test('what goes by faster than its pace is not kept, but the end is', async () => {
  const points = await runTask(20, 0.25)
  expect(points.length).toBeLessThan(9)
  expect(points.at(-2)!.counts).toMatchObject({ finished: 20 })
})

test('however long it takes, a task has some two hundred moments, from its begin to its end', async () => {
  const begin = world.now().getTime()
  const folded = (finished: number): FoldedTask => ({
    ...(Object.fromEntries(jobStates.map((state) => [state, 0])) as Record<JobState, number>),
    ...{
      taskId: 999_999,
      workflowId: 1,
      state: 'running',
      isClosed: true,
      isNew: false,
      cameBack: 0,
      isRetrying: false,
    },
    ...{ jobs: 450, finished, running: 450 - finished },
  })
  for (let n = 0; n <= 450; n++) {
    const ended = new Set(n === 450 ? [999_999] : [])
    await world.first.db.begin((tx) => keepCurves(tx, [folded(n)], ended, new Date(begin + n * 5000)))
  }
  const points = await curveOf(world.first.db, 999_999)
  expect(points.length).toBeLessThanOrEqual(200)
  expect(points.length).toBeGreaterThan(90)
  expect([points[0]!.finished, points.at(-1)!.finished]).toEqual([0, 450])
  const steps = points.slice(1).map(({ finished }, i) => finished - points[i]!.finished)
  expect(Math.max(...steps)).toBeLessThanOrEqual(8)
})

test('a task of one job has only where it stands', async () => {
  expect(await runTask(1, 2)).toMatchObject([{ counts: { finished: 1 } }])
})
