import { useQuery } from '@tanstack/react-query'
import { lazy, Suspense, useEffect } from 'react'
import type { Job } from '../../../../src/contract/jobs.ts'
import { explanationQuery, type JobId, jobQuery } from '../../api/queries.ts'
import { Actions } from '../../parts/actions/actions.tsx'
import { Why } from '../../parts/explanation.tsx'
import { Heading } from '../../parts/heading.tsx'
import { Pending } from '../../parts/pending.tsx'
import { Refused } from '../../parts/problem.tsx'
import { Section, TextBox } from '../../parts/section.tsx'
import { State } from '../../parts/state.tsx'
import { Thing } from '../../parts/thing.tsx'
import { When } from '../../parts/time.tsx'
import { hasEnded } from '../../states/counts.ts'
import { percent, rounded, sizeOf } from '../../words/numbers.ts'
import { errorText, textOf } from '../../words/values.ts'
import { StoryView } from '../storyView.tsx'
import { Attempts } from './attempts.tsx'
import { Log } from './log.tsx'

const Metrics = lazy(() => import('./jobMetrics.tsx'))
const Resources = lazy(() => import('./jobResources.tsx'))

const JobPage = ({ id }: { id: JobId }) => {
  const { data: job, error } = useQuery(jobQuery(id))
  const why = useQuery(explanationQuery(id, job?.state))
  useEffect(() => {
    document.title = job ? `${job.name} #${job.index} · ${id}` : `${id} · Culm`
  }, [job, id])
  if (!job) return <Refused error={error} />
  const isOver = hasEnded(job.state)
  return (
    <>
      <Heading
        name={`${job.name} #${job.index}`}
        above={<Crumbs job={job} />}
        actions={job.state !== 'finished' && <Actions target={{ id, state: job.state }} thing={{ owner: job.owner }} />}
      >
        <State state={job.state} noun="job" />
        {job.cancelAsked && !isOver && <State state="paused" text="cancel asked" />}
        <span>{job.owner}</span>
        {job.attempt > 0 && <span>attempt {job.attempt}</span>}
        {job.checkpoint && (
          <span>
            checkpoint of attempt {job.checkpoint.attempt}, {sizeOf(job.checkpoint.bytes)},{' '}
            <When at={job.checkpoint.at} />
          </span>
        )}
      </Heading>
      {job.progress && <HowFar progress={job.progress} />}
      <Why query={why} />
      <div className="beside">
        {job.value && (
          <Section title="Value">
            <TextBox text={textOf(job.value)} label="Value" />
          </Section>
        )}
        <Section title="Arguments">
          <TextBox text={textOf(job.args)} label="Arguments" />
        </Section>
      </div>
      {job.error && (
        <Section title="Error">
          <TextBox text={errorText(job.error)} kind="bad" label="Error" />
        </Section>
      )}
      <Log id={id} isOver={isOver} />
      <Suspense fallback={<Pending />}>
        <Metrics id={id} isOver={isOver} />
        <Resources job={job} isOver={isOver} />
      </Suspense>
      <Section title="Attempts">
        {job.attempts.length > 0 ? (
          <Attempts attempts={job.attempts} />
        ) : (
          <p className="nothing">No pilot has taken it yet.</p>
        )}
      </Section>
      <Section title="Story">
        <StoryView id={id} everyMs={isOver ? 20_000 : 2500} />
      </Section>
    </>
  )
}
export default JobPage

const Crumbs = ({ job }: { job: Job }) => (
  <nav className="crumbs" aria-label="It belongs to">
    <span>
      workflow <Thing id={job.workflowId} />
    </span>
    <span>
      task <Thing id={job.taskId} />
    </span>
    <span>{job.id}</span>
  </nav>
)

/** How far the job says that it is. */
const HowFar = ({ progress: { done, total, text, at } }: { progress: NonNullable<Job['progress']> }) => {
  const share = total ? percent(done, total) : undefined
  return (
    <Section
      title="Progress"
      aside={
        <span className="soft small">
          <When at={at} />
        </span>
      }
    >
      {share !== undefined && (
        <div className="meter" role="img" aria-label={`${share} % done`}>
          <i className="busy area" style={{ width: `${Math.min(100, share)}%` }} />
        </div>
      )}
      <p className="facts">
        <span>
          {rounded(done)}
          {total !== null && ` of ${rounded(total)}`}
          {share !== undefined && `, ${share} %`}
        </span>
        {text && <span>{text}</span>}
      </p>
    </Section>
  )
}
