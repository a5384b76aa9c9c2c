import { type QueryClient, useQueryClient } from '@tanstack/react-query'
import { useEffect } from 'react'
import type { Notice } from '../../../src/contract/notices.ts'
import { ask } from '../api/ask.ts'
import { pageSize, type TaskId, type WorkflowId } from '../api/queries.ts'
import { endedIn, hasEnded } from '../states/counts.ts'
import { atMostEvery } from './atMostEvery.ts'
import { follow } from './follow.ts'
import { changeGraph } from './graph.ts'
import { addOutcomes, knownOutcomes, mostOutcomes } from './outcomes.ts'
import { addMoves } from './story.ts'
import { askForTasks, changeTasks, knownTasks } from './tasks.ts'
import { together } from './together.ts'

/** Follows a workflow as long as its page is there: one stream, whose news go where the page reads. */
export const useWatchedWorkflow = (id: WorkflowId) => {
  const client = useQueryClient()
  useEffect(() => {
    const leaving = new AbortController()
    watchWorkflow(client, id, leaving.signal)
    return () => leaving.abort()
  }, [client, id])
}

/** So often what was told of is asked for in full at most, ms. */
const lookAgainMs = 800

/** So often a graph that is seen is asked for at most, ms: it may have thousands of nodes. */
const graphMs = 2000

const watchWorkflow = (client: QueryClient, id: WorkflowId, signal: AbortSignal) => {
  const lookAgain = atMostEvery(lookAgainMs, () => {
    client.invalidateQueries({ queryKey: ['workflow', id] })
    client.invalidateQueries({ queryKey: ['explanation', id] })
    askForTasks(client, id)
  })
  const askForGraph = atMostEvery(graphMs, () => client.invalidateQueries({ queryKey: ['graph', id] }))
  const apply = (notices: Notice[]) => {
    if (applyNotices(client, id, notices)) lookAgain()
    if (changeGraph(client, id, notices)) askForGraph()
  }
  const readBefore = outcomesReader(client, id, signal)
  const kinds = knownOutcomes(client, id).byJob.size < mostOutcomes ? 'progress,move,outcome' : 'progress,move'
  follow<Notice>(`/v1/workflows/${id}/stream?kinds=${kinds}`, {
    signal,
    opened: () => {
      lookAgain()
      readBefore()
    },
    heard: together(apply, signal),
  })
}

/** Writes what was heard into what is known. True when it tells of something that has to be asked for. */
const applyNotices = (client: QueryClient, id: WorkflowId, notices: Notice[]): boolean => {
  const progress = notices.flatMap((n) => (n.kind === 'progress' ? [n.data] : []))
  const moves = notices.flatMap((n) => (n.kind === 'move' ? [n.data] : []))
  const outcomes = notices.flatMap((n) => (n.kind === 'outcome' ? [n.data] : []))
  const { byId } = knownTasks(client, id)
  if (progress.length + moves.length > 0)
    changeTasks(client, id, (tasks) => {
      for (const { taskId, state, counts } of progress) {
        const task = tasks.get(taskId)
        if (task) tasks.set(taskId, { ...task, state: state as typeof task.state, counts })
      }
      for (const { id: moved, to, at } of moves) {
        const task = tasks.get(moved as TaskId)
        if (task && hasEnded(to)) tasks.set(task.id, { ...task, state: to as typeof task.state, endedAt: at })
      }
    })
  if (outcomes.length > 0) addOutcomes(client, id, outcomes)
  if (moves.length > 0) addMoves(client, id, moves)
  return moves.length > 0 || progress.some(({ taskId }) => !byId.has(taskId))
}

/** Reads what had ended before the stream was open: of each task that is known once, a page at a time. */
const outcomesReader = (client: QueryClient, id: WorkflowId, signal: AbortSignal) => {
  const read = new Set<TaskId>()
  const readTask = async (taskId: TaskId) => {
    let after: string | undefined
    do {
      const page = await ask('GET /v1/tasks/:id/outcomes', {
        params: { id: taskId },
        query: { limit: pageSize, after },
        signal,
      })
      if (signal.aborted) return
      if (page.items.length > 0) addOutcomes(client, id, page.items)
      after = page.next ?? undefined
    } while (after && knownOutcomes(client, id).byJob.size < mostOutcomes)
    read.add(taskId)
  }
  const readAll = async () => {
    for (const task of [...knownTasks(client, id).byId.values()])
      if (!read.has(task.id) && endedIn(task.counts) > 0 && knownOutcomes(client, id).byJob.size < mostOutcomes)
        await readTask(task.id)
  }
  let isReading = false
  const start = async () => {
    if (isReading) return
    isReading = true
    await readAll().catch(() => undefined)
    isReading = false
  }
  // Tasks come in pages of their own: what they bring is read as they come.
  const unsubscribe = client.getQueryCache().subscribe(({ type, query }) => {
    if (type === 'updated' && query.queryKey[0] === 'tasks' && query.queryKey[1] === id) start()
  })
  signal.addEventListener('abort', unsubscribe)
  return start
}
