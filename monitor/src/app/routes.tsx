import { type ComponentType, lazy } from 'react'
import type { TroubleView } from '../../../src/contract/troubles.ts'
import type { JobId, TaskId, WorkflowId } from '../api/queries.ts'
import { HomePage } from '../pages/home/homePage.tsx'

/** What is looked at first is in the first load; everything else comes when it is asked for. */
const WorkflowsPage = lazy(() => import('../pages/workflows/workflowsPage.tsx'))
const WorkflowPage = lazy(() => import('../pages/workflow/workflowPage.tsx'))
const TaskPage = lazy(() => import('../pages/task/taskPage.tsx'))
const JobPage = lazy(() => import('../pages/job/jobPage.tsx'))
const ErrorsPage = lazy(() => import('../pages/errors/errorsPage.tsx'))
const TroublePage = lazy(() => import('../pages/errors/troublePage.tsx'))
const QueuesPage = lazy(() => import('../pages/queues/queuesPage.tsx'))
const QueuePage = lazy(() => import('../pages/queues/queuePage.tsx'))
const ReportsPage = lazy(() => import('../pages/reports/reportsPage.tsx'))
const UsersPage = lazy(() => import('../pages/users/usersPage.tsx'))

export const places: { path: string; title: string; Page: ComponentType }[] = [
  { path: '/', title: 'Home', Page: HomePage },
  { path: '/workflows', title: 'Workflows', Page: WorkflowsPage },
  { path: '/errors', title: 'Errors', Page: ErrorsPage },
  { path: '/queues', title: 'Queues', Page: QueuesPage },
  { path: '/reports', title: 'Reports', Page: ReportsPage },
  { path: '/users', title: 'Users', Page: UsersPage },
]

/** The page of an address: a place, or a thing by its id, with the view of it that is wanted. */
export const pageAt = (path: string) => {
  const place = places.find((one) => one.path === path)
  if (place) return <place.Page />
  const [, id, view = ''] = /^\/([wtj][1-9]\d{0,14})(?:\/([a-z]+))?$/.exec(path) ?? []
  if (id?.startsWith('w')) return <WorkflowPage key={id} id={id as WorkflowId} view={view} />
  if (id?.startsWith('t')) return <TaskPage key={id} id={id as TaskId} view={view} />
  if (id?.startsWith('j')) return <JobPage key={id} id={id as JobId} />
  const [, trouble] = /^\/errors\/(e[1-9]\d{0,14})$/.exec(path) ?? []
  if (trouble) return <TroublePage key={trouble} id={trouble as TroubleView['id']} />
  const [, queue] = /^\/queues\/([A-Za-z0-9][A-Za-z0-9._-]{0,62})$/.exec(path) ?? []
  if (queue) return <QueuePage key={queue} name={queue} />
  return undefined
}
