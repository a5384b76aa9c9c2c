import { type UseQueryResult, useQueryClient } from '@tanstack/react-query'
import { useMemo } from 'react'
import type { Explanation } from '../../../../src/contract/jobs.ts'
import type { Task } from '../../../../src/contract/tasks.ts'
import type { Workflow } from '../../../../src/contract/workflows.ts'
import type { TaskId } from '../../api/queries.ts'
import { useCalmed } from '../../live/calmed.ts'
import { type Outcomes, useOutcomes } from '../../live/outcomes.ts'
import { readMoreTasks } from '../../live/tasks.ts'
import { useMayChange } from '../../parts/actions/actions.tsx'
import { usePicked, withPicks } from '../../parts/actions/picked.tsx'
import { Why } from '../../parts/explanation.tsx'
import { JobsBar, Tally } from '../../parts/jobsBar.tsx'
import { Section, TextBox } from '../../parts/section.tsx'
import { State } from '../../parts/state.tsx'
import { type Column, Table } from '../../parts/table.tsx'
import { Thing } from '../../parts/thing.tsx'
import { Lasted } from '../../parts/time.tsx'
import { endedIn } from '../../states/counts.ts'
import { numberIn } from '../../words/ids.ts'
import { percent, rounded } from '../../words/numbers.ts'
import { errorText, textOf } from '../../words/values.ts'

/** So often it is looked at most for what thousands of jobs gave back, ms. */
const resultsMs = 600

type Props = { workflow: Workflow; tasks: Task[]; why: UseQueryResult<Explanation>; mayReadEarlier: boolean }

export const TasksView = ({ workflow, tasks, why, mayReadEarlier }: Props) => {
  const client = useQueryClient()
  const results = useResults(useCalmed(useOutcomes(workflow.id), resultsMs))
  const lines = useMemo(() => tasks.map((task) => ({ task, result: results.get(task.id) })), [tasks, results])
  const mayChange = useMayChange()
  const mayPick = ({ task }: Line) => mayChange({ owner: task.owner })
  const picked = usePicked(lines, { targetOf: ({ task }) => task, mayPick, noun: 'task' })
  return (
    <>
      <Why query={why} />
      {workflow.value && (
        <Section title="Value">
          <TextBox text={textOf(workflow.value)} label="Value" />
        </Section>
      )}
      {workflow.error && (
        <Section title="Error">
          <TextBox text={errorText(workflow.error)} kind="bad" label="Error" />
        </Section>
      )}
      <Section
        title="Tasks"
        aside={
          <div className="tools">
            {picked.tools}
            {mayReadEarlier && (
              <button type="button" onClick={() => readMoreTasks(client, workflow.id)}>
                Show earlier ones
              </button>
            )}
          </div>
        }
      >
        {tasks.length > 0 ? (
          <Table
            label="Tasks"
            rows={lines}
            columns={withPicks(columns, picked.column, lines.some(mayPick))}
            keyOf={({ task }) => task.id}
          />
        ) : (
          <p className="nothing">None yet: the workflow has not called anything.</p>
        )}
      </Section>
    </>
  )
}

type Result = { error?: string; loss?: number; only?: string }
type Line = { task: Task; result: Result | undefined }

/** Of each task: what went wrong first, the best of those that report a loss, or the value of an only job. */
const useResults = ({ byJob, version }: Outcomes) =>
  // biome-ignore lint/correctness/useExhaustiveDependencies: the map is the same when what is in it has changed; the version tells
  useMemo(() => {
    const results = new Map<TaskId, Result>()
    for (const { taskId, says, errorType, numbers } of byJob.values()) {
      const result = results.get(taskId) ?? {}
      if (errorType !== undefined) result.error ??= says
      if (numbers.loss !== undefined) result.loss = Math.min(result.loss ?? Number.POSITIVE_INFINITY, numbers.loss)
      result.only = says
      results.set(taskId, result)
    }
    return results
  }, [byJob, version])

const columns: Column<Line>[] = [
  {
    id: 'state',
    title: 'State',
    width: '7.5rem',
    isMark: true,
    cell: ({ task }) => <State state={task.state} noun="task" />,
    sortBy: ({ task }) => task.state,
  },
  {
    id: 'name',
    title: 'Name',
    cell: ({ task }) => (
      <>
        <Thing id={task.id}>{task.name}</Thing> <span className="soft small">{task.id}</span>
      </>
    ),
    sortBy: ({ task }) => numberIn(task.id),
  },
  {
    id: 'progress',
    title: 'Progress',
    width: '24%',
    narrow: '22%',
    cell: ({ task }) => <JobsBar counts={task.counts} />,
    sortBy: ({ task: { counts } }) => percent(endedIn(counts), counts.total),
  },
  {
    id: 'jobs',
    title: 'Jobs',
    width: '11rem',
    cell: ({ task }) => <Tally counts={task.counts} />,
    sortBy: ({ task }) => task.counts.failed ?? 0,
    isWide: true,
  },
  { id: 'result', title: 'Result', width: '24%', cell: (line) => <ResultText {...line} />, isWide: true },
  {
    id: 'took',
    title: 'Took',
    width: '5.5rem',
    narrow: '4.8rem',
    cell: ({ task }) => <Lasted from={task.createdAt} to={task.endedAt} />,
    isRight: true,
  },
]

const ResultText = ({ task, result }: Line) => {
  if (!result) return null
  const { error, loss, only } = result
  if (error)
    return (
      <span className="state bad" title={error}>
        {error}
      </span>
    )
  if (loss !== undefined)
    return (
      <>
        <span className="soft">best loss </span>
        {rounded(loss)}
      </>
    )
  return (
    task.counts.total === 1 && (
      <span className="mono" title={only}>
        {only}
      </span>
    )
  )
}
