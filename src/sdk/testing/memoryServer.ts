import type { Client } from '../../contract/client.ts'
import type { Outcome } from '../../contract/jobs.ts'
import type { JournalEntry } from '../../contract/workflows.ts'

type Task = { taskId: `t${number}`; jobs: number; outcomes: Outcome[] }
type Call = { body?: Record<string, unknown>; params?: { id: string }; signal?: AbortSignal }

export type MemoryServerOptions = {
  /** How long everything takes, in turns of the event loop. */
  delay: () => number
  /** What a job gives; `undefined` makes it fail. */
  resultOf: (argsText: string) => string | undefined
}

/**
 * Journal, calls and outcomes of one scope, in memory, for processes that are killed: after `kill` nothing reaches a
 * client any more, and of what it has asked some may still be done.
 */
export const memoryServer = ({ delay, resultOf }: MemoryServerOptions) => {
  const entries: JournalEntry[] = []
  const tasks = new Map<string, Task>()
  let listeners: ((outcome: Outcome) => void)[] = []
  let life = 0
  let ids = 0

  const end = (task: Task, index: number, argsText: string) => {
    const text = resultOf(argsText)
    const job = {
      jobId: `j${Number(task.taskId.slice(1)) * 1000 + index}` as const,
      taskId: task.taskId,
      index,
      attempt: 1,
    }
    const outcome: Outcome =
      text === undefined
        ? { ...job, state: 'failed', cause: 'user', error: { type: 'Error', message: argsText } }
        : { ...job, state: 'finished', value: { text } }
    task.outcomes.push(outcome)
    const entry = entries.find(({ taskId }) => taskId === task.taskId)!
    if (task.jobs === 1) entry.outcome = outcome
    for (const listener of listeners) listener(outcome)
  }

  const write = (key: string, more: Partial<JournalEntry>): JournalEntry => {
    const entry: JournalEntry = {
      ...{
        seq: ++ids,
        key,
        seen: null,
        taskId: null,
        value: null,
        jobs: 0,
        closed: true,
        firstJobId: null,
        outcome: null,
        earlier: false,
      },
      ...more,
    }
    entries.push(entry)
    return entry
  }

  const submit = ({ call, jobs }: { call: { key: string; seen: string }; jobs: { args: { text: string } }[] }) => {
    const known = entries.find(({ key }) => key === call.key)
    if (known) return { taskId: known.taskId!, firstJobId: null, jobs: known.jobs, known: true }
    const task: Task = { taskId: `t${++ids}`, jobs: jobs.length, outcomes: [] }
    tasks.set(task.taskId, task)
    write(call.key, { taskId: task.taskId, jobs: jobs.length, seen: call.seen })
    jobs.forEach((job, index) => void turns(1 + delay()).then(() => end(task, index, job.args.text)))
    return { taskId: task.taskId, firstJobId: null, jobs: jobs.length, known: false }
  }

  const keep = ({ key, value, seen }: { key: string; value: string; seen: string }) => {
    const known = entries.find((entry) => entry.key === key)
    if (!known) write(key, { value, seen })
    return { value: known?.value ?? value, known: known !== undefined }
  }

  const answers: Record<string, (call: Call) => unknown> = {
    submitTask: ({ body }) => submit(body as Parameters<typeof submit>[0]),
    keepRecord: ({ body }) => keep(body as Parameters<typeof keep>[0]),
    listOutcomes: ({ params }) => ({ items: [...tasks.get(params!.id)!.outcomes], next: null }),
  }

  async function* outcomes(signal: AbortSignal | undefined, mine: number) {
    const waiting: Outcome[] = []
    let wake = () => {}
    listeners.push((outcome) => {
      waiting.push(outcome)
      wake()
    })
    signal?.addEventListener('abort', () => wake())
    while (!signal?.aborted) {
      const outcome = waiting.shift()
      if (outcome) {
        await alive(mine)
        yield { kind: 'outcomes', id: null, data: [outcome] }
      } else
        await new Promise<void>((resolve) => {
          wake = resolve
        })
    }
  }

  /** A process that was killed hears nothing. */
  const alive = async (mine: number): Promise<void> => {
    if (mine !== life) await new Promise(() => {})
  }

  return {
    entries,
    tasks,
    /** The client of a process that starts now; the one before is dead. */
    start(): Client {
      const mine = ++life
      listeners = []
      const call = async (name: string, given: Call = {}) => {
        // Bundles are kept by the process, which lives on here.
        if (name === 'createBundle') return { bundle: '', missing: [] }
        await turns(delay())
        await alive(mine)
        const answer = answers[name]!(given)
        await turns(delay())
        await alive(mine)
        return answer
      }
      const open = async (_name: string, { signal }: Call) => {
        await turns(delay())
        await alive(mine)
        return outcomes(signal, mine)
      }
      return { url: 'memory', call, open } as unknown as Client
    },
    kill: () => {
      life++
    },
  }
}

export const turns = async (n: number): Promise<void> => {
  for (let i = 0; i < n; i++) await new Promise((resolve) => setImmediate(resolve))
}
