import { useQuery } from '@tanstack/react-query'
import { useMemo } from 'react'
import { ask } from '../../api/ask.ts'
import type { JobId } from '../../api/queries.ts'
import { useCalmed } from '../../live/calmed.ts'
import type { Point } from '../../live/outcomes.ts'
import { Pending } from '../../parts/pending.tsx'
import { Section } from '../../parts/section.tsx'
import { plural, rounded } from '../../words/numbers.ts'
import { parametersIn } from '../../words/values.ts'
import { rankCorrelation } from './optimum.ts'
import { ParallelCoordinates, type Trial } from './parallelCoordinates.tsx'

/** Arguments come one job at a time, so they are read of so many: half of them the best, half spread over all. */
const mostRead = 120
/** So often it is looked at which those are. */
const readMs = 3000
/** So many are asked for at once. */
const atOnce = 4

/** How the objective hangs on the arguments. */
export const Parameters = ({ ranked: newest, objective }: { ranked: Point[]; objective: string }) => {
  const ranked = useCalmed(newest, readMs)
  const chosen = useMemo(() => chooseFrom(ranked), [ranked])
  const key = chosen.map(({ id }) => id).join()
  const { data: trials, isLoading } = useQuery({
    queryKey: ['trials', objective, key],
    queryFn: ({ signal }) => readTrials(chosen, objective, signal),
    staleTime: Number.POSITIVE_INFINITY,
    // Others are chosen as more come: those of before are not asked for again.
    gcTime: 0,
    structuralSharing: false,
    placeholderData: (earlier) => earlier,
  })
  const names = useMemo(() => varyingIn(trials ?? []), [trials])
  if (isLoading) return <Pending />
  if (!trials || names.length === 0 || trials.length < 3) return null
  return (
    <Section
      title="Parameters"
      aside={
        <span className="soft small">
          arguments of {plural(trials.length, 'job')}: the best, and some of all
        </span>
      }
    >
      <ParallelCoordinates trials={trials} names={names} objective={objective} />
      <Importance trials={trials} names={names} />
    </Section>
  )
}

/** Those that are spread are every so many by the numbers of their jobs, of which half go when there are too many: so few have to be read anew as more come. */
const chooseFrom = (ranked: Point[]): Point[] => {
  if (ranked.length <= mostRead) return ranked
  const best = ranked.slice(0, mostRead / 2)
  const step = 2 ** Math.ceil(Math.log2(ranked.length / (mostRead / 2)))
  return [...new Set([...best, ...ranked.filter(({ index, task }) => (index + task) % step === 0).slice(0, mostRead)])]
}

/** What has been read of those that were chosen last; the arguments of a job never change. */
let known = new Map<JobId, Record<string, number>>()

const readTrials = async (points: Point[], objective: string, signal: AbortSignal): Promise<Trial[]> => {
  const missing = points.filter(({ id }) => !known.has(id))
  const readNext = async (): Promise<void> => {
    const next = missing.pop()
    if (!next) return
    const job = await ask('GET /v1/jobs/:id', { params: { id: next.id }, signal })
    known.set(next.id, parametersIn(job.args))
    return readNext()
  }
  await Promise.all(Array.from({ length: atOnce }, readNext))
  known = new Map(points.map(({ id }) => [id, known.get(id)!]))
  return points.map(({ id, numbers }) => ({ id, value: numbers[objective]!, parameters: known.get(id)! }))
}

/** Parameters that all have, and that are not the same everywhere. */
const varyingIn = (trials: Trial[]): string[] =>
  Object.keys(trials[0]?.parameters ?? {}).filter(
    (name) =>
      trials.every(({ parameters }) => name in parameters) &&
      new Set(trials.map(({ parameters }) => parameters[name])).size > 1,
  )

/** How strongly each parameter orders the results, by ranks: bars from strong to weak. */
const Importance = ({ trials, names }: { trials: Trial[]; names: string[] }) => {
  const values = trials.map(({ value }) => value)
  const all = names
    .map((name) => ({ name, r: rankCorrelation(trials.map(({ parameters }) => parameters[name]!), values) }))
    .sort((a, b) => Math.abs(b.r) - Math.abs(a.r))
  return (
    <table className="table importance" aria-label="How strongly each parameter orders the results">
      <colgroup>
        <col style={{ width: '14rem' }} />
        <col />
        <col style={{ width: '7rem' }} />
      </colgroup>
      <thead>
        <tr>
          <th scope="col">Parameter</th>
          <th scope="col">Rank correlation, strength</th>
          <th scope="col" className="right">
            Correlation
          </th>
        </tr>
      </thead>
      <tbody>
        {all.map(({ name, r }) => (
          <tr key={name}>
            <td>{name}</td>
            <td>
              <div className="meter">
                <i className="busy area" style={{ width: `${Math.abs(r) * 100}%` }} />
              </div>
            </td>
            <td className="right">{rounded(r)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}
