import type { Report } from '../../../src/contract/pilots.ts'
import { failureOf, type Nature, natureOf, textOf } from '../payload.ts'
import { Calls } from './calls.ts'
import type { Held, Stop } from './held.ts'
import type { Host } from './host.ts'
import { askOutside } from './outside.ts'

/** One attempt: it takes its time, may ask somebody outside and call others, and ends. */
export const runPayload = async (host: Host, held: Held): Promise<void> => {
  const { world, chance, threads } = host
  const { job } = held
  const nature = natureOf('text' in job.args ? job.args.text : '')
  const startedAt = world.timeline.clock().toISOString()
  const report = (what: Report['what'], more: Partial<Report> = {}) =>
    host.reports.add({ jobId: job.jobId, attempt: job.attempt, what, startedAt, ...more })
  if (chance.happens(0.05)) report('starting')
  if (chance.happens(nature.ms > 1000 ? 0.3 : 0.1)) report('running')
  const until = nature.later && (await askOutside(host, held, nature.later))
  await world.timeline.wait(null, nature.ms, held.stopped.signal)
  threads.mustLive()
  let childFailed = nature.later !== undefined && until === undefined
  if (nature.calls && !held.stop) childFailed = !(await new Calls(host, held, report).allFinish(nature.calls))
  threads.mustLive()
  if (held.phase === 'running') host.held.giveRoom(held)
  held.phase = 'ended'
  // A result that comes before the word to stop took effect wins.
  const stop = held.stop !== 'dropped' && chance.happens(0.2) && !nature.calls ? null : held.stop
  const end = endOf(nature, job.attempt, stop, childFailed, until)
  if (end === 'dropped') host.held.forget(held.key)
  else tellEnd(host, held, end, report)
  threads.ring('quiet')
}

type End = Pick<Report, 'what' | 'value' | 'until' | 'cause' | 'error'>

const endOf = (
  nature: Nature,
  attempt: number,
  stop: Stop | null,
  childFailed: boolean,
  until: string | undefined,
): End | 'dropped' => {
  if (stop === 'dropped') return 'dropped'
  if (stop) return { what: stop }
  const cause = childFailed ? 'user' : failureOf(nature, attempt)
  if (cause) return { what: 'failed', cause, error: { type: 'Oops', message: `it fails: ${cause}` } }
  if (until !== undefined) return { what: 'deferred', until }
  return { what: 'finished', value: { text: textOf(nature, attempt) } }
}

const tellEnd = (
  { world }: Host,
  { job, task }: Held,
  end: End,
  report: (what: Report['what'], more: Partial<Report>) => void,
): void => {
  const known = world.model.job(task.name, job.index)
  world.referee.reports(job.jobId, job.attempt, end.cause ? `failed:${end.cause}` : end.what, known)
  report(end.what, { ...end, endedAt: world.timeline.clock().toISOString() })
}
