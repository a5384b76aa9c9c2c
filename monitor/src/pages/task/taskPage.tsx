import { useQuery } from '@tanstack/react-query'
import { lazy, Suspense, useEffect } from 'react'
import type { Task } from '../../../../src/contract/tasks.ts'
import { explanationQuery, settingsQuery, type TaskId, taskQuery } from '../../api/queries.ts'
import { Actions } from '../../parts/actions/actions.tsx'
import { Why } from '../../parts/explanation.tsx'
import { Heading } from '../../parts/heading.tsx'
import { Progress, Tally } from '../../parts/jobsBar.tsx'
import { Labels } from '../../parts/labels.tsx'
import { Pending } from '../../parts/pending.tsx'
import { Refused } from '../../parts/problem.tsx'
import { State } from '../../parts/state.tsx'
import { type Column, Table } from '../../parts/table.tsx'
import { Tabs } from '../../parts/tabs.tsx'
import { Thing } from '../../parts/thing.tsx'
import { StartedAndTook } from '../../parts/time.tsx'
import { payloadText } from '../../words/values.ts'
import { Curve } from './curve.tsx'
import { Failures } from './failures.tsx'
import { JobsView } from './jobsView.tsx'
import { Spread } from './spread.tsx'

const ResultsView = lazy(() => import('../results/taskResults.tsx'))
const MetricsView = lazy(() => import('./metricsView.tsx'))

const tabs = [
  { view: '', title: 'Jobs' },
  { view: 'results', title: 'Results' },
  { view: 'metrics', title: 'Metrics' },
  { view: 'settings', title: 'Settings' },
] as const

const TaskPage = ({ id, view }: { id: TaskId; view: string }) => {
  const { data: task, error } = useQuery(taskQuery(id))
  const why = useQuery(explanationQuery(id, task?.state))
  useEffect(() => {
    document.title = task ? `${task.name} · ${id}` : `${id} · Culm`
  }, [task, id])
  if (!task) return <Refused error={error} />
  return (
    <>
      <Heading
        name={task.name}
        above={<Crumbs task={task} />}
        actions={<Actions target={task} thing={{ owner: task.owner }} />}
      >
        <State state={task.state} noun="task" />
        <Tally counts={task.counts} />
        <span>{task.owner}</span>
        {task.queue && <span>queue {task.queue}</span>}
        {task.parentJobId && (
          <span>
            called by <Thing id={task.parentJobId} />
          </span>
        )}
        <StartedAndTook {...task} />
        <span className="mono">{payloadText(task.payload)}</span>
        <Labels labels={task.labels} />
      </Heading>
      <Progress counts={task.counts} />
      <Tabs id={id} tabs={tabs} view={view} />
      <Suspense fallback={<Pending />}>
        {view === '' && (
          <>
            <Why query={why} />
            <Failures task={task} />
            <Curve task={task} />
            <Spread key={task.id} task={task} />
            <JobsView task={task} />
          </>
        )}
        {view === 'results' && <ResultsView task={task} />}
        {view === 'metrics' && <MetricsView task={task} />}
        {view === 'settings' && <SettingsView id={id} />}
      </Suspense>
    </>
  )
}
export default TaskPage

const Crumbs = ({ task }: { task: Task }) => (
  <nav className="crumbs" aria-label="It belongs to">
    <span>
      workflow <Thing id={task.workflowId} />
    </span>
    <span>{task.id}</span>
  </nav>
)

type Setting = { name: string; value: string | number | null; from: string; queue?: string }

const settingColumns: Column<Setting>[] = [
  { id: 'name', title: 'Setting', width: '16rem', cell: ({ name }) => name },
  { id: 'value', title: 'Value', cell: ({ value }) => <span className="mono">{value ?? '–'}</span> },
  { id: 'from', title: 'Said by', width: '12rem', cell: ({ from, queue }) => (queue ? `queue ${queue}` : from) },
]

/** What holds for the task, and who said it. */
const SettingsView = ({ id }: { id: TaskId }) => {
  const { data } = useQuery(settingsQuery(id))
  return (
    data && (
      <Table
        label="Settings"
        rows={data.items}
        columns={settingColumns}
        keyOf={({ name, queue = '' }) => `${name} ${queue}`}
      />
    )
  )
}
