import { afterAll, beforeAll, expect, test } from 'vitest'
import { finished, type Held, type ScriptedPilot, startWorld } from '../../../test/support/engines.ts'
import { metricQuery, taskMetricQuery, told } from '../../contract/told.ts'
import { readId } from '../../lib/ids.ts'
import { getJob } from '../views/jobs.ts'
import { forgetCourses, jobResources, keepTold, readMetrics, taskMetrics } from './told.ts'

let world: Awaited<ReturnType<typeof startWorld>>
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world.close())

type Place = Awaited<ReturnType<typeof world.place>>

/** A task of `n` jobs, all of them with a pilot. */
const begun = async (n = 1) => {
  const place = await world.place()
  const ids = await place.submit(n)
  const pilot = await place.pilot()
  const jobs = await pilot.take()
  return { place, ids, pilot, jobs }
}

const point = ({ jobId, attempt }: Held, name: string, step: number, value: number | 'NaN' | 'Infinity') => ({
  jobId,
  attempt,
  name,
  step,
  value,
})

const tell = (place: Place, pilot: ScriptedPilot, what: Omit<(typeof told)['_input'], 'epoch'>) =>
  keepTold(world.first, place.pilots, pilot.id, told.parse({ epoch: pilot.epoch, ...what }))

const read = (place: Place, jobId: number, query: (typeof metricQuery)['_input'] = {}, engine = world.first) =>
  readMetrics(engine, place.ann, jobId, metricQuery.parse(query), new AbortController().signal)

const seen = async (place: Place, jobId: number, query: (typeof metricQuery)['_input'] = {}) =>
  (await read(place, jobId, query)).items.map(({ name, step, value, attempt }) => [name, step, value, attempt])

test('the last word for a step counts, also within one request, and numbers that JSON lacks stay what they are', async () => {
  const { place, ids, pilot, jobs } = await begun()
  const job = jobs[0]!
  const first = [point(job, 'loss', 2, 5), point(job, 'loss', 2, 'NaN'), point(job, 'loss', 10, 0.25)]
  expect(await tell(place, pilot, { metrics: first })).toEqual({ kept: 2 })
  await tell(place, pilot, { metrics: [point(job, 'loss', 10, 'Infinity'), point(job, 'accuracy', 2, 1e-300)] })
  expect(await seen(place, ids[0]!)).toEqual([
    ['accuracy', 2, 1e-300, 1],
    ['loss', 2, 'NaN', 1],
    ['loss', 10, 'Infinity', 1],
  ])
})

test('pages follow each other by name and step, whatever the names are made of', async () => {
  const { place, ids, pilot, jobs } = await begun()
  const job = jobs[0]!
  const names = ['a', 'B', 'é', 'z"\\/', '\ue000', '😀']
  const metrics = names.flatMap((name) => [0, 1, 2].map((step) => point(job, name, step, step)))
  await tell(place, pilot, { metrics: metrics.reverse() })
  const walked: string[] = []
  for (let after: string | undefined; ; ) {
    const { items, next } = await read(place, ids[0]!, { after, limit: 4 })
    walked.push(...items.map(({ name, step }) => `${name} ${step}`))
    if (items.length === 0) break
    after = next
  }
  const inOrder = [...names].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  expect(walked).toEqual(inOrder.flatMap((name) => [0, 1, 2].map((step) => `${name} ${step}`)))
  expect(await seen(place, ids[0]!, { name: 'é', limit: 2 })).toEqual([
    ['é', 0, 0, 1],
    ['é', 1, 1, 1],
  ])
  await expect(read(place, ids[0]!, { after: 'bm9uc2Vuc2U' })).rejects.toMatchObject({ code: 'invalid_cursor' })
})

test('what an attempt says that was given to others counts for nothing, and of each step the newest attempt is shown', async () => {
  const { place, ids, pilot, jobs } = await begun()
  const first = jobs[0]!
  await tell(place, pilot, {
    metrics: [1, 2, 3].map((step) => point(first, 'loss', step, step)),
    progress: [{ ...nameOf(first), done: 3, total: 9 }],
  })
  await world.pass(120)
  expect(await tell(place, pilot, { metrics: [point(first, 'loss', 4, 4)] }), 'nobody has followed it yet').toEqual({
    kept: 1,
  })
  const other = await place.pilot()
  const [second] = await other.take()
  expect(second!.attempt).toBe(2)
  await tell(place, other, {
    metrics: [point(second!, 'loss', 3, 33)],
    progress: [{ ...nameOf(second!), done: 1, text: 'again' }],
  })
  const late = { metrics: [point(first, 'loss', 5, 5)], progress: [{ ...nameOf(first), done: 5 }] }
  expect(await tell(place, pilot, late)).toEqual({ kept: 0 })
  expect(await tell(place, other, late), 'nor does another pilot speak for it').toEqual({ kept: 0 })
  expect((await seen(place, ids[0]!)).map(([, ...rest]) => rest)).toEqual([
    [1, 1, 1],
    [2, 2, 1],
    [3, 33, 2],
    [4, 4, 1],
  ])
  expect(await seen(place, ids[0]!, { attempt: 1 })).toHaveLength(4)
  expect((await getJob(world.first, place.ann, ids[0]!)).progress).toEqual({
    ...{ done: 1, total: null, text: 'again', attempt: 2 },
    at: world.now().toISOString(),
  })
})

const nameOf = ({ jobId, attempt }: Held) => ({ jobId, attempt })

test('the last words of an attempt may come after its end, and a reader that waits hears of them and then of the end', async () => {
  const { place, ids, pilot, jobs } = await begun()
  const job = jobs[0]!
  const coming = read(place, ids[0]!, { name: 'loss', waitSeconds: 30 })
  await tell(place, pilot, { metrics: [point(job, 'accuracy', 1, 1)] })
  await tell(place, pilot, { metrics: [point(job, 'loss', 1, 0.5)] })
  const { items, next, ended } = await coming
  expect([items.map((line) => line.value), ended]).toEqual([[0.5], false])
  await pilot.report([finished(job)])
  await tell(place, pilot, { metrics: [point(job, 'loss', 2, 0.25)] })
  const rest = await read(place, ids[0]!, { name: 'loss', after: next, waitSeconds: 30 })
  expect([rest.items.map((line) => line.value), rest.ended]).toEqual([[0.25], false])
  expect(await read(place, ids[0]!, { name: 'loss', after: rest.next, waitSeconds: 30 })).toEqual({
    ...{ items: [], next: rest.next, ended: true },
  })
})

test('the last value of each job of a task comes in pages by index, with those that have said none', async () => {
  const { place, ids, pilot, jobs } = await begun(5)
  const metrics = jobs
    .filter((_, i) => i !== 2)
    .flatMap((job) => [point(job, 'loss', 1, 9), point(job, 'loss', 7, readId('j', job.jobId)!), point(job, 'x', 9, 0)])
  await tell(place, pilot, { metrics })
  const { taskId } = await getJob(world.first, place.ann, ids[0]!)
  const ask = (query: (typeof taskMetricQuery)['_input']) =>
    taskMetrics(world.first, place.ann, readId('t', taskId)!, taskMetricQuery.parse(query))
  const first = await ask({ name: 'loss', limit: 3 })
  const second = await ask({ name: 'loss', limit: 3, after: first.next! })
  expect(
    [...first.items, ...second.items].map(({ index, jobId, last }) => [index, jobId, last?.step, last?.value]),
  ).toEqual(ids.map((id, i) => [i, `j${id}`, ...(i === 2 ? [undefined, undefined] : [7, id])]))
  expect(second.next).toBeNull()
})

test('what an attempt used over time is its last word, by attempts, and none of one that others have', async () => {
  const { place, ids, pilot, jobs } = await begun()
  const first = jobs[0]!
  const used = (held: Held, ...points: [number, number, number][]) => ({ courses: [{ ...nameOf(held), points }] })
  const resources = async () => (await jobResources(world.first, place.ann, ids[0]!)).items
  expect(await resources()).toEqual([])
  expect(await tell(place, pilot, used(first, [10, 100, 0.5]))).toEqual({ kept: 1 })
  await tell(place, pilot, used(first, [10, 100, 0.5], [20.04, 200.26, 1.99951]))
  const whole = {
    attempt: 1,
    points: [
      { seconds: 10, memoryMb: 100, cores: 0.5 },
      { seconds: 20, memoryMb: 200.3, cores: 2 },
    ],
  }
  expect(await resources()).toEqual([whole])

  await world.pass(120)
  const other = await place.pilot()
  const [second] = await other.take()
  expect(second!.attempt).toBe(2)
  expect(await tell(place, pilot, used(first, [99, 9, 9]))).toEqual({ kept: 0 })
  expect(await tell(place, pilot, used(second!, [99, 9, 9])), 'nor does another pilot speak for it').toEqual({
    kept: 0,
  })
  await other.report([finished(second!)])
  expect(await tell(place, other, used(second!, [11, 1, 0])), 'its last word comes after its end').toEqual({ kept: 1 })
  expect(await resources()).toEqual([whole, { attempt: 2, points: [{ seconds: 11, memoryMb: 1, cores: 0 }] }])
})

test('what attempts used over time is forgotten after 30 days', async () => {
  const { place, ids, pilot, jobs } = await begun()
  const points: [number, number, number][] = [[10, 100, 0.5]]
  await tell(place, pilot, { courses: [{ ...nameOf(jobs[0]!), points }] })
  const told = async () => (await jobResources(world.first, place.ann, ids[0]!)).items.length
  world.jump(29 * 86_400)
  await forgetCourses(world.first)
  expect(await told()).toBe(1)
  world.jump(2 * 86_400)
  await forgetCourses(world.first)
  expect(await told()).toBe(0)
})
