import type { Workflow } from '../../../../src/contract/workflows.ts'
import { JobsBar, Tally } from '../../parts/jobsBar.tsx'
import { State } from '../../parts/state.tsx'
import type { Column } from '../../parts/table.tsx'
import { Thing } from '../../parts/thing.tsx'
import { Ago, Lasted } from '../../parts/time.tsx'
import { endedIn } from '../../states/counts.ts'
import { numberIn } from '../../words/ids.ts'
import { count, percent } from '../../words/numbers.ts'

/** A workflow in a line. */
export const workflowColumns: Column<Workflow>[] = [
  {
    id: 'state',
    title: 'State',
    width: '7.5rem',
    isMark: true,
    cell: ({ state }) => <State state={state} />,
    sortBy: (w) => w.state,
  },
  {
    id: 'name',
    title: 'Name',
    cell: ({ id, name }) => (
      <>
        <Thing id={id}>{name}</Thing> <span className="soft small">{id}</span>
      </>
    ),
    sortBy: ({ name }) => name,
  },
  { id: 'owner', title: 'User', width: '8rem', cell: ({ owner }) => owner, sortBy: (w) => w.owner, isWide: true },
  {
    id: 'progress',
    title: 'Progress',
    width: '18%',
    narrow: '22%',
    cell: ({ jobs }) => <JobsBar counts={jobs} />,
    sortBy: ({ jobs }) => percent(endedIn(jobs), jobs.total),
  },
  {
    id: 'jobs',
    title: 'Jobs',
    width: '11.5rem',
    cell: ({ jobs }) => <Tally counts={jobs} />,
    sortBy: ({ jobs }) => jobs.total,
    isWide: true,
  },
  {
    id: 'tasks',
    title: 'Tasks',
    width: '6rem',
    cell: ({ tasks }) => `${count(tasks.ended)}/${count(tasks.total)}`,
    sortBy: ({ tasks }) => tasks.total,
    isRight: true,
    isWide: true,
  },
  {
    id: 'took',
    title: 'Took',
    width: '5.5rem',
    cell: ({ createdAt, endedAt }) => <Lasted from={createdAt} to={endedAt} />,
    isRight: true,
    isWide: true,
  },
  {
    id: 'created',
    title: 'Created',
    width: '7rem',
    narrow: '6rem',
    cell: ({ createdAt }) => <Ago at={createdAt} />,
    sortBy: ({ id }) => numberIn(id),
    isRight: true,
  },
]
