import { expect, test } from 'vitest'
import type { Client, ServerSent } from '../../contract/client.ts'
import { fault } from '../../contract/faults.ts'
import { followWorkflow } from './follow.ts'
import type { ProgressView } from './progress.ts'

const createdAt = '2026-03-01T12:00:00.000Z'
const workflow = (state: string) => ({
  id: 'w1',
  name: 'main',
  state,
  createdAt,
  endedAt: state === 'done' ? createdAt : null,
})
const task = (finished: number) => ({ id: 't1', name: 'fit', counts: { total: 2, finished } })
const progress = (finished: number) => ({
  kind: 'progress',
  id: null,
  data: { taskId: 't1', name: 'fit', counts: task(finished).counts },
})
const move = { kind: 'move', id: null, data: { noun: 'workflow', id: 'w1', to: 'done' } }

/** What a server says, in order; the last answer of each kind stays. An error is thrown. */
const scripted = (script: { workflows: unknown[]; tasks: unknown[]; streams: (ServerSent[] | Error)[] }): Client => {
  const next = <T>(list: T[]): T => (list.length > 1 ? list.shift()! : list[0]!)
  const given = <T>(answer: T): T => {
    if (answer instanceof Error) throw answer
    return answer
  }
  return {
    url: 'http://127.0.0.1:1',
    call: async (name: string) => {
      if (name === 'getWorkflow') return given(next(script.workflows))
      return { items: [given(next(script.tasks))], next: null }
    },
    open: async () => {
      const stream = given(next(script.streams)) as ServerSent[]
      return (async function* () {
        yield* stream
      })()
    },
  } as unknown as Client
}

const follow = async (client: Client) => {
  const views: ProgressView[] = []
  const clock = () => new Date('2026-03-01T12:00:05.000Z')
  const signal = new AbortController().signal
  const ended = await followWorkflow({ client, id: 'w1', clock, signal, onView: (view) => views.push(view) })
  return { ended, seen: views.map(({ state, groups }) => `${state} ${groups[0]?.finished}/${groups[0]?.total}`) }
}

test('the end is shown once, with complete numbers: the counters follow the jobs by a moment', async () => {
  const client = scripted({
    workflows: [workflow('running'), workflow('running'), workflow('done')],
    tasks: [task(0), task(1), task(1), task(2)],
    streams: [[progress(1), move]],
  })
  const { ended, seen } = await follow(client)
  expect(ended.state).toBe('done')
  expect(seen).toEqual(['running 0/2', 'running 1/2', 'done 2/2'])
})

test('what ended while the stream was opened is shown at its end only', async () => {
  const tasks = [task(0), task(2)]
  const { seen } = await follow(scripted({ workflows: [workflow('running'), workflow('done')], tasks, streams: [[]] }))
  expect(seen).toEqual(['done 2/2'])
})

test('a stream that breaks, or a server that is away, is tried again, and what was missed is looked up', async () => {
  const refused = Object.assign(new Error('connect'), { code: 'ECONNREFUSED' })
  const running = workflow('running')
  const client = scripted({
    // One for the beginning, one for each stream that opens, one for the move.
    workflows: [running, running, running, running, workflow('done')],
    tasks: [task(0), task(1), task(2)],
    streams: [refused, [], fault('database_away'), [progress(1)], [move]],
  })
  const { seen } = await follow(client)
  expect(seen).toEqual(['running 0/2', 'running 1/2', 'running 1/2', 'running 2/2', 'done 2/2'])
})

test('what is refused, and what is a mistake of ours, ends the following', async () => {
  const all = { workflows: [workflow('running')], tasks: [task(0)] }
  await expect(follow(scripted({ ...all, streams: [fault('forbidden', 'not yours')] }))).rejects.toThrow('not yours')
  await expect(follow(scripted({ ...all, streams: [new TypeError('oops')] }))).rejects.toThrow('oops')
})
