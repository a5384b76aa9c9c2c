import { useQuery } from '@tanstack/react-query'
import { useEffect } from 'react'
import { Link } from 'wouter'
import type { Overview } from '../../../../src/contract/overview.ts'
import type { Workflow } from '../../../../src/contract/workflows.ts'
import { overviewQuery } from '../../api/queries.ts'
import { Sparkline } from '../../charts/sparkline.tsx'
import { useSeen } from '../../live/seen.ts'
import { Command, Lesson } from '../../parts/lesson.tsx'
import { Refused } from '../../parts/problem.tsx'
import { Section } from '../../parts/section.tsx'
import { State } from '../../parts/state.tsx'
import { Table } from '../../parts/table.tsx'
import { Linked, Thing } from '../../parts/thing.tsx'
import { Ago } from '../../parts/time.tsx'
import { runningIn, waitingIn } from '../../states/counts.ts'
import { count, plural, rate } from '../../words/numbers.ts'
import { errorLine } from '../../words/values.ts'
import { queueColumns } from '../queues/queueColumns.tsx'
import { workflowColumns } from '../workflows/workflowColumns.tsx'

/** What runs, what is wrong, what waits. */
export const HomePage = () => {
  const { data, error } = useQuery(overviewQuery)
  useEffect(() => {
    document.title = 'Culm'
  }, [])
  if (!data) return <Refused error={error} />
  const { active, ended, queues } = data
  if (active.length + ended.length === 0) return <FirstSteps />
  return (
    <>
      <h1 className="hidden-word">Home</h1>
      <Vitals overview={data} />
      <Worries worries={worriesOf(data)} />
      <Section title="Under way" aside={<Link href="/workflows">All workflows</Link>}>
        {active.length > 0 ? (
          <Table label="Workflows under way" rows={active} columns={workflowColumns} keyOf={(w) => w.id} />
        ) : (
          <p className="nothing">Nothing runs now.</p>
        )}
      </Section>
      {ended.length > 0 && (
        <Section title="Ended last" aside={<Link href="/reports">Reports</Link>}>
          <Table label="Workflows that ended last" rows={ended} columns={workflowColumns} keyOf={(w) => w.id} />
        </Section>
      )}
      <Section title="Queues" aside={<Link href="/queues">With their pilots</Link>}>
        <Table label="Queues" rows={queues} columns={queueColumns} keyOf={({ name }) => name} />
      </Section>
    </>
  )
}

const Vitals = ({ overview: { jobs, queues, minutes, at } }: { overview: Overview }) => {
  const [running, waiting] = [runningIn(jobs), waitingIn(jobs)]
  const seen = useSeen({ running, waiting, at })
  const slots = queues.reduce((n, queue) => n + queue.slots, 0)
  return (
    <div className="vitals">
      <Vital value={count(running)} what="jobs run" samples={seen.running} kind="busy">
        {slots > 0 ? `${plural(slots, 'slot')} for all` : 'no slots'}
      </Vital>
      <Vital value={count(waiting)} what="jobs wait" samples={seen.waiting} kind="next">
        for a slot or for others
      </Vital>
      <Vital
        value={count(sumOf(minutes.finished))}
        what="finished in the last hour"
        samples={over(minutes.finished)}
        kind="good"
      >
        {ofLate(minutes.finished)}
      </Vital>
      <Vital
        value={count(sumOf(minutes.failed))}
        what="failed in the last hour"
        samples={over(minutes.failed)}
        kind="bad"
      >
        {ofLate(minutes.failed)}
      </Vital>
    </div>
  )
}

const sumOf = (samples: number[]) => samples.reduce((a, b) => a + b, 0)

/** The last minute is not over: it would look like a fall. */
const over = (minutes: number[]) => minutes.slice(0, -1)

const ofLate = (minutes: number[]) => `${rate(sumOf(over(minutes).slice(-5)) / 5)} each minute of late`

type VitalProps = { value: string; what: string; samples: readonly number[]; kind: string; children: React.ReactNode }

const Vital = ({ value, what, samples, kind, children }: VitalProps) => (
  <div className={`vital ${kind}`}>
    <b>{value}</b>
    <span>{what}</span>
    <Sparkline values={samples} label={`${what}: ${value}, of late`} />
    <span className="small">{children}</span>
  </div>
)

type Worry = { key: string; state: string; at?: string; words: React.ReactNode; remedy?: string }

/** What somebody should look at, the widest first: places, then pilots, then work. */
const worriesOf = ({ queues, suspects, failing }: Overview): Worry[] => [
  ...queues
    .filter(({ pilots: n, waiting, state }) => state !== 'online' || (n === 0 && waiting > 0))
    .map(({ name, state, pilots: n, waiting }) => ({
      key: name,
      state: n === 0 && state === 'online' ? 'paused' : state,
      words: `Queue ${name}: ${n === 0 ? `no pilot serves it, ${plural(waiting, 'job')} wait` : state}`,
      remedy: n === 0 ? 'culm pilot' : undefined,
    })),
  ...suspects.map(({ id, host, seenAt, jobs }) => ({
    key: id,
    state: 'suspect',
    at: seenAt,
    words: `Pilot ${id} on ${host} is silent; it holds ${plural(jobs, 'job')}`,
  })),
  ...failing.map((workflow) => ({
    key: workflow.id,
    state: 'failed',
    at: workflow.endedAt ?? workflow.createdAt,
    words: (
      <>
        <Thing id={workflow.id}>{workflow.name}</Thing> <span className="soft">{reasonOf(workflow)}</span>
      </>
    ),
  })),
]

const reasonOf = ({ error, why, jobs, id }: Workflow) => {
  if (error) return `${id} · ${errorLine(error)}`
  const failed = jobs.failed ?? 0
  return `${id} · ${failed > 0 ? `${plural(failed, 'job')} of ${count(jobs.total)} failed` : (why ?? 'failed')}`
}

const Worries = ({ worries }: { worries: Worry[] }) => (
  <Section title="Needs a look" aside={worries.length > 0 && <span className="soft num">{worries.length}</span>}>
    {worries.length === 0 ? (
      <p className="nothing">Nothing: every queue is served, no pilot is silent, no workflow has failed of late.</p>
    ) : (
      <ul className="worries">
        {worries.map(({ key, state, at, words, remedy }) => (
          <li key={key}>
            <State state={state} text="" />
            <span>{typeof words === 'string' ? <Linked text={words} /> : words}</span>
            {remedy && <code>{remedy}</code>}
            {at && (
              <span className="soft">
                <Ago at={at} />
              </span>
            )}
          </li>
        ))}
      </ul>
    )}
  </Section>
)

const FirstSteps = () => (
  <Lesson title="Nothing has run yet">
    <p className="soft">Send a command, and watch it here:</p>
    <Command>culm submit -- echo hello</Command>
    <p className="soft">Or run a workflow function from a file:</p>
    <Command>culm run examples/hello/hello.ts 10</Command>
  </Lesson>
)
