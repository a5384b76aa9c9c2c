import { afterAll, beforeAll, expect, test } from 'vitest'
import { finished, startWorld } from '../../../test/support/engines.ts'
import { showId } from '../../lib/ids.ts'
import { readHorizon } from '../../store/history.ts'
import type { Engine } from '../engine/engine.ts'
import { tailHistory } from './tailHistory.ts'

let world: Awaited<ReturnType<typeof startWorld>>
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world.close())

/** What somebody hears at this process of the jobs of a workflow, in the order in which it comes. */
const listen = (engine: Engine, workflowId: string) => {
  const heard: string[] = []
  const silence = engine.hub.subscribe({
    workflowId: Number(workflowId.slice(1)),
    kinds: new Set(['outcome']),
    scope: 'all',
    send: (notice) => {
      if (notice.kind === 'outcome') heard.push(notice.data.jobId)
    },
  })
  return { heard, silence }
}

test('what ended at another process is told once, over as many pages as it takes, and nothing of other workflows', async () => {
  const second = await world.server('second')
  const [mine, other] = [await world.place(), await world.place()]
  let from = await readHorizon(second.db)
  const { heard, silence } = listen(second, mine.workflowId)
  // More than two pages of 5,000, with the other's between them.
  const ids = [...(await mine.submit(5500)), ...(await mine.submit(5500))]
  await other.submit(3000)
  const [pilot, stranger] = [await mine.pilot({ slots: 4000 }), await other.pilot({ slots: 1000 })]
  for (let n = 0; n < 3; n++) {
    await pilot.report((await pilot.take()).map((job) => finished(job)))
    await stranger.report((await stranger.take()).map((job) => finished(job)))
  }
  from = await tailHistory(second, from)
  expect(heard).toHaveLength(11_000)
  expect(new Set(heard)).toEqual(new Set(ids.map((id) => showId('j', id))))
  from = await tailHistory(second, from)
  expect(heard).toHaveLength(11_000)
  silence()
})

test('what ended here was pushed, and is not told again; what ended elsewhere meanwhile is', async () => {
  const third = await world.server('third')
  const place = await world.place()
  let from = await readHorizon(third.db)
  const { heard, silence } = listen(third, place.workflowId)
  const [a, b] = await place.submit(2)
  const pilot = await place.pilot({ slots: 2 })
  const jobs = await pilot.take()
  await pilot.report([finished(jobs.find(({ jobId }) => jobId === showId('j', a!))!)], third)
  expect(heard).toEqual([showId('j', a!)])
  await pilot.report([finished(jobs.find(({ jobId }) => jobId === showId('j', b!))!)])
  from = await tailHistory(third, from)
  expect(heard).toEqual([showId('j', a!), showId('j', b!)])
  silence()
})
