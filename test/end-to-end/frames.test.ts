import { afterEach, beforeAll, expect, test } from 'vitest'
import type { Client } from '../../src/contract/client.ts'
import { type Frame, frame, mostInFrame } from '../../src/contract/frames.ts'
import { eventually, startTestServer, type TestServer } from '../support/server.ts'

let server: TestServer

beforeAll(async () => {
  server = await startTestServer()
})

const looking: AbortController[] = []
afterEach(async () => {
  for (const gone of looking.splice(0)) gone.abort()
  await eventually(async () => server.engine.viewers.size === 0, 'nobody looks any more')
})

/** Looks at the experiment of a client until the end of the test; resolves once a change has come. */
const look = async (client: Client) => {
  const gone = new AbortController()
  looking.push(gone)
  const stream = await client.open('streamExperiment', { signal: gone.signal })
  const frames: Frame[] = []
  void (async () => {
    for await (const { kind, data } of stream) if (kind === 'frame') frames.push(frame.parse(data))
  })().catch(() => {})
  await eventually(async () => {
    await newWorkflow(server.user, 'the first to be seen')
    return frames.some(({ workflows }) => workflows.length > 0)
  }, 'a change has come')
  return { frames }
}

const newWorkflow = (client: Client, name: string) =>
  client.call('createWorkflow', { body: { name, kind: 'tasks' } }).then(({ workflowId }) => workflowId)

const submit = (workflowId: `w${number}`, n: number) =>
  server.user.call('submitTask', {
    body: {
      workflowId,
      name: 'fit',
      payload: { kind: 'command', command: ['true'] },
      jobs: Array.from({ length: n }, (_, i) => ({ args: { text: `[${i}]` } })),
    },
  })

const finishAll = async (n: number) => {
  const { pilotId, epoch } = await server.pilot.call('registerPilot', {
    body: { name: 'frames', queue: 'local', slots: n, host: 'here', version: '1' },
  })
  const params = { id: pilotId }
  const body = { epoch, claimSeq: 1, cores: n, jobs: n, waitSeconds: 10 }
  const { jobs } = await server.pilot.call('claim', { params, body })
  const reports = jobs.map(({ jobId, attempt }) => ({
    ...{ jobId, attempt, what: 'finished' as const },
    value: { text: '1' },
  }))
  await server.pilot.call('report', { params, body: { epoch, reports } })
}

test('what changes is told to all who look, with the numbers as they are once they are counted, and what is over is not told again', async () => {
  const [first, second] = [await look(server.user), await look(await server.person('bea'))]
  const workflowId = await newWorkflow(server.user, 'looked at')
  const { taskId } = await submit(workflowId, 3)
  await finishAll(3)
  for (const { frames } of [first, second]) {
    await eventually(async () => {
      const line = frames.flatMap(({ workflows }) => workflows).findLast(({ id }) => id === workflowId)
      const task = frames.flatMap(({ tasks }) => tasks).findLast(({ id }) => id === taskId)
      const ended = frames.reduce((sum, one) => sum + one.ended.finished, 0)
      return ended === 3 && line?.jobs.finished === 3 && line.tasks.ended === 1 && task?.state === 'done'
    }, 'it is told that all three have finished')
    const told = frames.flatMap(({ workflows }) => workflows).filter(({ id }) => id === workflowId)
    expect(new Set(told.map((line) => JSON.stringify(line))).size).toBe(told.length)
  }
})

test('of more changes than fit into a frame it says that there were more', async () => {
  const { frames } = await look(server.user)
  const before = frames.length
  await Promise.all(Array.from({ length: mostInFrame + 20 }, (_, i) => newWorkflow(server.user, `one of many ${i}`)))
  await eventually(async () => frames.slice(before).some(({ lookAgain }) => lookAgain), 'it says to look again')
})

test('who reads too slowly misses frames and is told to look again, and the others go on', async () => {
  const gone = new AbortController()
  looking.push(gone)
  const slow = await server.user.open('streamExperiment', { signal: gone.signal })
  await eventually(async () => server.engine.viewers.size === 1, 'he looks')
  // More than the sockets between the two take.
  server.engine.viewers.send(1, Buffer.from(`: ${' '.repeat(1000)}\n\n`.repeat(16_000)))
  const { frames } = await look(await server.person('cy'))
  const workflowId = await newWorkflow(server.user, 'seen by the quick')
  await eventually(
    async () => frames.some(({ workflows }) => workflows.some(({ id }) => id === workflowId)),
    'the quick one sees it',
  )
  const sent: string[] = []
  void (async () => {
    for await (const { kind, data } of slow) sent.push(kind, JSON.stringify(data))
  })().catch(() => {})
  await eventually(async () => {
    await newWorkflow(server.user, 'one more')
    return sent.includes('lookAgain')
  }, 'he is told to look again')
  expect(sent.slice(0, sent.indexOf('lookAgain')).join()).not.toContain(workflowId)
})
