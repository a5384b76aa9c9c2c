import type { Client } from '../../contract/client.ts'
import { fault } from '../../contract/faults.ts'
import type { Notice } from '../../contract/notices.ts'
import type { Workflow } from '../../contract/workflows.ts'
import { backoffMs } from '../../lib/backoff.ts'
import { type Clock, sleep } from '../../lib/clock.ts'
import { isFault, messageOf } from '../../lib/fault.ts'
import { Progress, type ProgressView } from './progress.ts'

export type FollowOptions = {
  client: Client
  id: `w${number}`
  clock: Clock
  /** Its end is the end of the interest; the last view is still taken. */
  signal: AbortSignal
  onView(view: ProgressView): void
  /** What the stream says, word by word. */
  onNotice?(notice: Notice): void
}

/** The server pings every 15 s: after three without a word the connection is dead, whatever TCP thinks. */
const silentMs = 45_000

/** How long the server may be away, s: an attached program is to outlive an upgrade. */
const awaySeconds = 600

/** So many tasks are looked up at most; what happens to the others is heard when it happens. */
const maxTasks = 2000

/** How long to wait at the end for the counters, which follow the jobs by a moment, ms; and how long when it goes on without us. */
const settleMs = { ended: 1000, left: 200 }

/** Follows a workflow until it ends, or until nobody wants to know any more. @returns what became of it. */
export const followWorkflow = async (options: FollowOptions): Promise<Workflow> => {
  const { client, id } = options
  const progress = new Progress(await client.call('getWorkflow', { params: { id } }))
  await untilItEnds(progress, options)
  await settle(progress, options)
  options.onView(progress.view(options.clock()))
  return progress.workflow
}

/** Streams, one after the other. Each begins with a look at everything, so that nothing need be resumed. */
const untilItEnds = async (progress: Progress, options: FollowOptions): Promise<void> => {
  const { signal } = options
  let heardAt = performance.now()
  for (let failures = 0; !signal.aborted && !progress.workflow.endedAt; failures++) {
    try {
      await readStream(progress, options, () => {
        failures = 0
        heardAt = performance.now()
      })
    } catch (error) {
      if (signal.aborted) return
      if (!isPassing(error)) throw error
      if (performance.now() - heardAt > awaySeconds * 1000)
        throw fault(
          'server_away',
          `${options.client.url} has been away for ${awaySeconds} s (${messageOf(error)})`,
          undefined,
          error,
        )
    }
    if (!progress.workflow.endedAt) await sleep(backoffMs(failures + 1, { baseMs: 50, maxMs: 2000 }), signal)
  }
}

/** The server, its database or the way to it is away. Errors of connections have codes; a bug has none. */
const isPassing = (error: unknown): boolean =>
  isFault(error) ? passing.has(error.code) : (error as { code?: unknown }).code !== undefined
const passing = new Set(['server_away', 'database_away', 'overloaded', 'internal'])

const readStream = async (progress: Progress, options: FollowOptions, heard: () => void): Promise<void> => {
  const { client, id, clock, signal, onNotice } = options
  const connection = new AbortController()
  const watch = setTimeout(() => connection.abort(), silentMs).unref()
  try {
    const stream = await client.open('streamWorkflow', {
      params: { id },
      query: { kinds: onNotice ? 'progress,move,outcome' : 'progress,move' },
      signal: AbortSignal.any([signal, connection.signal]),
    })
    heard()
    await lookAtAll(progress, options)
    show(progress, options)
    for await (const sent of stream) {
      watch.refresh()
      heard()
      const notice = sent as Notice
      if (notice.kind !== 'ping') onNotice?.(notice)
      if (notice.kind === 'progress') progress.seeTask(notice.data, clock())
      if (notice.kind === 'move' && notice.data.noun === 'workflow')
        progress.seeWorkflow(await client.call('getWorkflow', { params: { id } }))
      if (progress.workflow.endedAt) return
      show(progress, options)
    }
  } finally {
    clearTimeout(watch)
    connection.abort()
  }
}

const settle = async (progress: Progress, options: FollowOptions): Promise<void> => {
  const until = performance.now() + (progress.workflow.endedAt ? settleMs.ended : settleMs.left)
  for (;;) {
    try {
      await lookAtAll(progress, options)
    } catch (error) {
      // It was seen until here; an end that cannot be looked at is the server's trouble and told elsewhere.
      if (!isFault(error)) throw error
      return
    }
    if (progress.isQuiet || performance.now() > until) return
    await sleep(50)
  }
}

const lookAtAll = async (progress: Progress, { client, id, clock }: FollowOptions): Promise<void> => {
  let after: string | undefined
  let seen = 0
  const pages = []
  do {
    const page = await client.call('listTasks', { query: { workflowId: id, limit: 200, after } })
    pages.push(page.items)
    seen += page.items.length
    after = page.next ?? undefined
  } while (after && seen < maxTasks)
  // They come newest first, and are to be shown in the order in which they came.
  for (const { id: taskId, name, counts } of pages.flat().reverse()) progress.seeTask({ taskId, name, counts }, clock())
  progress.seeWorkflow(await client.call('getWorkflow', { params: { id } }))
}

/** What has ended is shown once, when its numbers are complete: `done 9/10` would be a lie. */
const show = (progress: Progress, { clock, onView }: FollowOptions): void => {
  if (!progress.workflow.endedAt) onView(progress.view(clock()))
}
