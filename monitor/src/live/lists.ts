import type { QueryClient } from '@tanstack/react-query'
import type { TaskLine, WorkflowLine } from '../../../src/contract/frames.ts'
import type { Pilot, Queue } from '../../../src/contract/pilots.ts'
import type { Task } from '../../../src/contract/tasks.ts'
import type { Workflow } from '../../../src/contract/workflows.ts'
import { pageSize, type WorkflowFilter } from '../api/queries.ts'
import { numberIn } from '../words/ids.ts'
import { type Page, withLines } from './withLines.ts'

/** Brings changed lines into every list of workflows that is known here. True when one has failed of which a list does not know why: that is not in its line. */
export const changeWorkflows = (client: QueryClient, lines: WorkflowLine[]): boolean => {
  if (lines.length === 0) return false
  const byId = new Map(lines.map((line) => [line.id, line]))
  let hasFailed = false
  for (const { queryKey, state } of client.getQueryCache().findAll({ queryKey: ['workflows'] })) {
    const page = state.data as Page<Workflow> | undefined
    if (!page) continue
    const items = withLines(page, byId, queryKey[1] as WorkflowFilter, pageSize)
    hasFailed ||= items.some(({ id, state, error }) => state === 'failed' && !error && byId.has(id))
    client.setQueryData<Page<Workflow>>(queryKey, { ...page, items })
  }
  return hasFailed
}

/** Tasks that are looked at by themselves. */
export const changeTasks = (client: QueryClient, lines: TaskLine[]) => {
  for (const { id, state, counts } of lines)
    client.setQueryData<Task>(['task', id], (old) => old && { ...old, state: state as Task['state'], counts })
}

export const changePilots = (client: QueryClient, lines: Pilot[]) =>
  change(
    client,
    'pilots',
    lines,
    ({ id }) => id,
    (a, b) => numberIn(b.id) - numberIn(a.id),
  )

export const changeQueues = (client: QueryClient, lines: Queue[]) =>
  change(
    client,
    'queues',
    lines,
    ({ name }) => name,
    () => 0,
  )

const change = <T>(
  client: QueryClient,
  list: string,
  lines: T[],
  keyOf: (line: T) => string,
  inOrder: (a: T, b: T) => number,
) => {
  if (lines.length === 0) return
  client.setQueryData<{ items: T[] }>([list], (old) => {
    if (!old) return old
    const byKey = new Map([...old.items, ...lines].map((line) => [keyOf(line), line]))
    return { ...old, items: [...byKey.values()].sort(inOrder) }
  })
}
