import { useQuery } from '@tanstack/react-query'
import { lazy, Suspense, useEffect } from 'react'
import { explanationQuery, type WorkflowId, workflowQuery } from '../../api/queries.ts'
import { useTasks } from '../../live/tasks.ts'
import { useWatchedWorkflow } from '../../live/watchWorkflow.ts'
import { Actions } from '../../parts/actions/actions.tsx'
import { Heading } from '../../parts/heading.tsx'
import { Progress, Tally } from '../../parts/jobsBar.tsx'
import { Labels } from '../../parts/labels.tsx'
import { Refused } from '../../parts/problem.tsx'
import { State } from '../../parts/state.tsx'
import { Tabs } from '../../parts/tabs.tsx'
import { Linked } from '../../parts/thing.tsx'
import { StartedAndTook } from '../../parts/time.tsx'
import { hasEnded, sumOf } from '../../states/counts.ts'
import { count, plural } from '../../words/numbers.ts'
import { StoryView } from '../storyView.tsx'
import { TasksView } from './tasksView.tsx'
import { TimelineView } from './timelineView.tsx'

const GraphView = lazy(() => import('./graphView.tsx'))
const ResultsView = lazy(() => import('../results/workflowResults.tsx'))

const tabs = [
  { view: '', title: 'Tasks' },
  { view: 'graph', title: 'Graph' },
  { view: 'timeline', title: 'Timeline' },
  { view: 'results', title: 'Results' },
  { view: 'story', title: 'Story' },
] as const

/** So many tasks a view needs: a table shows the newest and asks for more, a picture wants all that it can carry. (The graph comes by itself.) */
const wantedBy: Record<string, number> = { timeline: 1000, results: 1000 }

const WorkflowPage = ({ id, view }: { id: WorkflowId; view: string }) => {
  useWatchedWorkflow(id)
  const { data: workflow, error } = useQuery(workflowQuery(id))
  const why = useQuery(explanationQuery(id, workflow?.state))
  const isOver = workflow !== undefined && hasEnded(workflow.state)
  const { tasks, hasEarlier, mayReadEarlier } = useTasks(id, wantedBy[view] ?? 0, isOver)
  useEffect(() => {
    document.title = workflow ? `${workflow.name} · ${id}` : `${id} · Culm`
  }, [workflow, id])
  if (!workflow) return <Refused error={error} />
  // The tasks move first; they make up the whole when all of them are here.
  const isWhole = tasks.length > 0 && !hasEarlier && tasks.length >= workflow.tasks.total
  const jobs = isWhole ? sumOf(tasks.map((task) => task.counts)) : workflow.jobs
  return (
    <>
      <Heading name={workflow.name} actions={<Actions target={workflow} thing={workflow} />}>
        <State state={workflow.state} noun="workflow" />
        <Tally counts={jobs} />
        <span>{workflow.owner}</span>
        <span className="mono">{id}</span>
        <StartedAndTook {...workflow} />
        {workflow.program && <span>program {workflow.program}</span>}
        {workflow.why && (
          <span>
            <Linked text={workflow.why} />
          </span>
        )}
        <Labels labels={workflow.labels} />
      </Heading>
      <Progress counts={jobs}>
        <li>
          {count(workflow.tasks.ended)} of {plural(workflow.tasks.total, 'task')} ended
        </li>
      </Progress>
      <Tabs id={id} tabs={tabs} view={view} />
      <Suspense fallback={null}>
        {view === '' && <TasksView workflow={workflow} tasks={tasks} why={why} mayReadEarlier={mayReadEarlier} />}
        {view === 'graph' && <GraphView id={id} isOver={isOver} />}
        {view === 'timeline' && <TimelineView tasks={tasks} hasEarlier={hasEarlier} />}
        {view === 'results' && <ResultsView id={id} />}
        {view === 'story' && <StoryView id={id} />}
      </Suspense>
    </>
  )
}
export default WorkflowPage
