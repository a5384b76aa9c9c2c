import { beforeAll, expect, test } from 'vitest'
import { freshDatabase } from '../../../test/support/database.ts'
import type { Database } from '../../store/db.ts'
import * as lists from '../../store/lists.ts'
import { jobEntries, outcomesOfTask } from '../../store/views.ts'
import { pageReached } from './pages.ts'

let db: Database

/** Ten workflows and ten tasks, the first and the eighth of them failed, and ten jobs of task 1, of which the first and the eighth failed by different causes. */
beforeAll(async () => {
  db = await freshDatabase()
  await db.script(`
    insert into person (experiment_id, name, created_at) values (1, 'p', now());
    insert into workflow (experiment_id, owner_id, team_id, name, kind, state, driver_epoch, created_at, labels)
      select 1, 1, 1, 'w', 'tasks', case when i in (1, 8) then 'failed' else 'done' end, 0, now(), '{"a":"b"}' from generate_series(1, 10) i;
    insert into label (experiment_id, noun, name, value, id) select 1, 'workflow', 'a', 'b', id from workflow;
    insert into class (cores, memory_mb) values (1, 0) on conflict do nothing;
    insert into lane (purpose, queue_ids, share_id, class_id) select 'work', '{1}', 1, id from class where cores = 1 and memory_mb = 0 on conflict do nothing;
    insert into task (workflow_id, experiment_id, owner_id, name, state, closed, jobs, payload, lane_id, cores, priority, attempts_user, attempts_site, attempts_lost, created_at)
      select 1, 1, 1, 't', case when i in (1, 8) then 'failed' else 'done' end, true, 10, '{}', 1, 1, 1000, 1, 3, 5, now() from generate_series(1, 10) i;
    insert into job (id, task_id, workflow_id, index, lane_id, state, attempt, unmet, has_children)
      select i, 1, 1, i - 1, 1, case when i in (1, 8) then 'failed' else 'running' end, 1, 0, false from generate_series(1, 10) i;
    insert into result (job_id, cause) values (1, 'user'), (8, 'memory');`)
})

const failed = { experimentId: 1, states: ['failed'], owner: null, text: null, labels: null, since: null, until: null }
const ofWorkflows = { ...failed, program: null }
const label = { name: 'a', value: 'b' }

type Asked = { below: number; limit: number; reach: number }

test.each<[string, (asked: Asked) => Promise<lists.Looked[]>]>([
  ['workflows', (asked) => lists.workflowIds(db, { ...ofWorkflows, ...asked })],
  ['workflows of a person', (asked) => lists.workflowIdsOfOwner(db, { ...ofWorkflows, ...asked, ownerId: 1 })],
  [
    'workflows with a label',
    (asked) => lists.labelledWorkflowIds(db, { ...ofWorkflows, ...asked, labels: ['{"a":"b"}'], label }),
  ],
  ['tasks', (asked) => lists.taskIds(db, { ...failed, ...asked })],
  ['tasks of a workflow', (asked) => lists.taskIdsOfWorkflow(db, { ...failed, ...asked, workflowId: 1 })],
])('of many %s few are looked at for a page, and its cursor leads on to what is rare', async (_, read) => {
  const pages: number[][] = []
  for (let below: number | undefined = 99; below; ) {
    const looked: lists.Looked[] = await read({ below, limit: 3, reach: 4 })
    const page = pageReached(looked, 2, idOf, idOf)
    pages.push(page.items)
    below = page.next === null ? undefined : numberIn(page.next)
  }
  expect(pages).toEqual([[8], [], [1]])
})

test('jobs of a task, by state and by cause, are found over several pages', async () => {
  const asked = { taskId: 1, withArgs: false, withValue: false, maxText: 1, limit: 3, reach: 4 }
  const pagesOf = async (cause: 'memory' | null) => {
    const pages: number[][] = []
    for (let afterIndex: number | undefined = -1; afterIndex !== undefined; ) {
      const rows: Awaited<ReturnType<typeof jobEntries>> = await jobEntries(db, {
        ...asked,
        state: 'failed',
        cause,
        afterIndex,
      })
      const page = pageReached(rows, 2, indexOf, idOf)
      pages.push(page.items)
      afterIndex = page.next === null ? undefined : numberIn(page.next)
    }
    return pages
  }
  expect(await pagesOf(null)).toEqual([[1], [8], []])
  expect(await pagesOf('memory')).toEqual([[], [8], []])
})

test('outcomes of a task of which little has ended are found over several pages', async () => {
  const rows = await outcomesOfTask(db, { taskId: 1, afterIndex: 0, limit: 3, reach: 4 })
  expect(pageReached(rows, 2, indexOf, idOf)).toEqual({ items: [], next: cursor(4) })
  const rest = await outcomesOfTask(db, { taskId: 1, afterIndex: 4, limit: 3, reach: 9 })
  expect(pageReached(rest, 2, indexOf, idOf)).toEqual({ items: [8], next: null })
})

test('a page that is full ends with its last item, however far was looked', async () => {
  const all = { ...failed, states: null }
  const page = pageReached(await lists.taskIds(db, { ...all, below: 99, limit: 3, reach: 2 }), 2, idOf, idOf)
  expect(page).toEqual({ items: [10, 9], next: cursor(9) })
  const last = pageReached(await lists.taskIds(db, { ...all, below: 3, limit: 3, reach: 3 }), 2, idOf, idOf)
  expect(last).toEqual({ items: [2, 1], next: null })
})

const idOf = ({ id }: { id: number }) => id
const indexOf = ({ index }: { index: number }) => index
const cursor = (key: number) => Buffer.from(String(key)).toString('base64url')
const numberIn = (next: string) => Number(Buffer.from(next, 'base64url').toString())
