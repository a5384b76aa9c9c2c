import type { AttemptView } from '../../../../src/contract/jobs.ts'
import { State } from '../../parts/state.tsx'
import { Lasted, When } from '../../parts/time.tsx'
import { between, duration } from '../../words/durations.ts'
import { errorLine } from '../../words/values.ts'

/** Of more attempts the last so many are compared. */
const mostAttempts = 8

/** The attempts of a job beside each other: when, where, how long, with how much, and how each ended. */
export const Attempts = ({ attempts }: { attempts: AttemptView[] }) => {
  const shown = attempts.slice(-mostAttempts)
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keys
    <section className="attempts" aria-label="Attempts compared" tabIndex={0}>
      <table aria-label="Attempts">
        <thead>
          <tr>
            <th scope="col">Attempt</th>
            {shown.map(({ attempt }) => (
              <th key={attempt} scope="col">
                {attempt}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {facts.map(({ title, of }) => (
            <tr key={title}>
              <th scope="row">{title}</th>
              {shown.map((attempt) => (
                <td key={attempt.attempt}>{of(attempt)}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  )
}

const facts: { title: string; of: (attempt: AttemptView) => React.ReactNode }[] = [
  { title: 'End', of: (a) => <State state={a.end ?? (a.endedAt ? 'holding' : 'running')} noun="job" /> },
  { title: 'Where', of: ({ pilotId, host }) => [pilotId, host].filter(Boolean).join(' on ') },
  { title: 'Sent', of: ({ sentAt }) => <When at={sentAt} /> },
  { title: 'Started after', of: ({ sentAt, startedAt }) => startedAt && between(sentAt, startedAt) },
  {
    title: 'Ran',
    of: ({ usage, startedAt, sentAt, endedAt }) =>
      usage?.wallSeconds === undefined ? (
        <Lasted from={startedAt ?? sentAt} to={endedAt} />
      ) : (
        duration(usage.wallSeconds * 1000)
      ),
  },
  { title: 'CPU', of: ({ usage }) => usage?.cpuSeconds !== undefined && duration(usage.cpuSeconds * 1000) },
  { title: 'Peak memory', of: ({ usage }) => usage?.maxRssMb !== undefined && `${Math.ceil(usage.maxRssMb)} MB` },
  {
    title: 'Cause',
    of: ({ cause, exitCode, signal }) =>
      [cause, exitCode !== null && `exit code ${exitCode}`, signal].filter(Boolean).join(', '),
  },
  { title: 'Error', of: ({ error }) => error && <span title={error.message}>{errorLine(error)}</span> },
]
