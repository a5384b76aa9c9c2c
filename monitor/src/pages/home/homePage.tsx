import { useQuery } from '@tanstack/react-query'
import { useEffect } from 'react'
import { Link } from 'wouter'
import type { Pilot, Queue } from '../../../../src/contract/pilots.ts'
import type { Workflow } from '../../../../src/contract/workflows.ts'
import { pilotsQuery, queuesQuery, recentWorkflowsQuery } from '../../api/queries.ts'
import { Sparkline } from '../../charts/sparkline.tsx'
import { useRates } from '../../live/rates.ts'
import { Command, Lesson } from '../../parts/lesson.tsx'
import { Section } from '../../parts/section.tsx'
import { State } from '../../parts/state.tsx'
import { Table } from '../../parts/table.tsx'
import { Linked, Thing } from '../../parts/thing.tsx'
import { Ago } from '../../parts/time.tsx'
import { hasEnded } from '../../states/counts.ts'
import { count, percent, plural, rate } from '../../words/numbers.ts'
import { errorLine } from '../../words/values.ts'
import { workflowColumns } from '../workflows/workflowColumns.tsx'

/** What runs, what is wrong, what waits. */
export const HomePage = () => {
  const recent = useQuery(recentWorkflowsQuery({}))
  const running = useQuery(recentWorkflowsQuery({ state: 'running' }))
  const queues = useQuery(queuesQuery)
  const pilots = useQuery(pilotsQuery)
  useEffect(() => {
    document.title = 'Culm'
  }, [])
  if (!recent.data || !queues.data || !pilots.data || !running.data) return null
  if (recent.data.items.length === 0) return <FirstSteps />
  const workflows = [...new Map([...running.data.items, ...recent.data.items].map((w) => [w.id, w])).values()]
  const active = workflows.filter(({ state }) => !hasEnded(state))
  const ended = recent.data.items.filter(({ state }) => hasEnded(state)).slice(0, 8)
  return (
    <>
      <h1 className="hidden-word">Home</h1>
      <Vitals queues={queues.data.items} />
      <Worries worries={worriesOf(queues.data.items, pilots.data.items, workflows)} />
      <Section title="Under way" aside={<Link href="/workflows">All workflows</Link>}>
        {active.length > 0 ? (
          <Table label="Workflows under way" rows={active.slice(0, 20)} columns={workflowColumns} keyOf={(w) => w.id} />
        ) : (
          <p className="nothing">Nothing runs now.</p>
        )}
      </Section>
      {ended.length > 0 && (
        <Section title="Ended last">
          <Table label="Workflows that ended last" rows={ended} columns={workflowColumns} keyOf={(w) => w.id} />
        </Section>
      )}
    </>
  )
}

const Vitals = ({ queues }: { queues: Queue[] }) => {
  const sum = (of: (queue: Queue) => number) => queues.reduce((n, queue) => n + of(queue), 0)
  const [running, waiting, slots] = [sum((q) => q.running), sum((q) => q.waiting), sum((q) => q.slots)]
  const rates = useRates()
  const finished = recentMean(rates.finished)
  const failed = recentMean(rates.failed)
  return (
    <div className="vitals">
      <Vital value={count(running)} what="jobs run" samples={rates.running} kind="busy">
        {slots > 0 ? `${percent(running, slots)} % of ${plural(slots, 'slot')}` : 'no slots'}
      </Vital>
      <Vital
        value={`${count(waiting)}${queues.some((q) => q.waiting >= 1000) ? '+' : ''}`}
        what="jobs wait"
        samples={rates.waiting}
        kind="next"
      >
        for a slot
      </Vital>
      <Vital value={rate(finished)} what="finish each second" samples={rates.finished} kind="good">
        since this page is open
      </Vital>
      <Vital value={rate(failed * 60)} what="fail each minute" samples={rates.failed} kind="bad">
        since this page is open
      </Vital>
    </div>
  )
}

/** Over the last ten looks: one alone jumps about. */
const recentMean = (samples: number[]) => {
  const last = samples.slice(-10)
  return last.length > 0 ? last.reduce((a, b) => a + b, 0) / last.length : 0
}

type VitalProps = { value: string; what: string; samples: number[]; kind: string; children: React.ReactNode }

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
const worriesOf = (queues: Queue[], pilots: Pilot[], workflows: Workflow[]): Worry[] => [
  ...queues
    .filter(({ pilots: n, waiting, state }) => state !== 'online' || (n === 0 && waiting > 0))
    .map(({ name, state, pilots: n, waiting }) => ({
      key: name,
      state: n === 0 && state === 'online' ? 'paused' : state,
      words: `Queue ${name}: ${n === 0 ? `no pilot serves it, ${plural(waiting, 'job')} wait` : state}`,
      remedy: n === 0 ? 'culm pilot' : undefined,
    })),
  ...pilots
    .filter(({ state }) => state === 'suspect')
    .map(({ id, host, seenAt, jobs }) => ({
      key: id,
      state: 'suspect',
      at: seenAt,
      words: `Pilot ${id} on ${host} is silent; it holds ${plural(jobs, 'job')}`,
    })),
  ...workflows
    .filter(
      ({ state, jobs, tasks }) =>
        state === 'failed' || (!hasEnded(state) && ((jobs.failed ?? 0) > 0 || tasks.failed > 0)),
    )
    .slice(0, 8)
    .map((workflow) => ({
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
      <p className="nothing">Nothing: every queue is served, no pilot is silent, nothing has failed of late.</p>
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
