import { type Counts, countsText, endedIn, partsOf } from '../states/counts.ts'
import type { Kind } from '../states/kinds.ts'
import { count, percent } from '../words/numbers.ts'

type Segment = { state: string; n: number; kind: Kind | 'free' }

/** A bar of parts that make up a whole; each is at least wide enough to be seen. */
export const Bar = ({ words, parts, size = '' }: { words: string; parts: Segment[]; size?: 'large' | '' }) => (
  <div className={`jobs-bar ${size}`} role="img" aria-label={words} title={words}>
    {parts.map(({ state, n, kind }) => (
      <i key={state} className={`${kind} area`} style={{ flexGrow: n }} />
    ))}
  </div>
)

export const JobsBar = ({ counts, size }: { counts: Counts; size?: 'large' }) => (
  <Bar words={countsText(counts)} parts={partsOf(counts)} size={size} />
)

/** The numbers that stand beside every state of a workflow or task. */
export const Tally = ({ counts: { total, finished = 0, failed = 0 } }: { counts: Counts }) => (
  <span className="num">
    {total ? `${count(finished)}/${count(total)}` : 'no jobs yet'}
    {failed > 0 && (
      <>
        , <span className="state bad">{count(failed)} failed</span>
      </>
    )}
  </span>
)

/** How far the jobs of something are: the bar, how much of it is over, and the number of each state. */
export const Progress = ({ counts, children }: { counts: Counts; children?: React.ReactNode }) => (
  <div>
    <JobsBar counts={counts} size="large" />
    <ul className="facts legend">
      {counts.total > 0 && <li>{percent(endedIn(counts), counts.total)} % ended</li>}
      {partsOf(counts).map(({ state, n, kind }) => (
        <li key={state}>
          <span className={`swatch ${kind} area`} />
          <b>{count(n)}</b> {state}
        </li>
      ))}
      {children}
    </ul>
  </div>
)
