import { fault } from '../../contract/faults.ts'
import {
  maxUsageLines,
  maxUsageSeries,
  maxUsageSteps,
  type UsageGroup,
  type UsageQuery,
  type UsageReport,
} from '../../contract/usage.ts'
import { type UsageBy, type UsageRow, type UsageStep, usageRows } from '../../store/usage.ts'
import type { Principal } from '../access/authenticate.ts'
import { experimentOf } from '../access/rights.ts'
import type { Engine } from '../engine/engine.ts'

const hourMs = 3_600_000
const stepMs = { hour: hourMs, day: 24 * hourMs }

/** What was used in the asker's experiment, by groups: those with most wall time, and the rest together. */
export const usageReport = async (engine: Engine, principal: Principal, q: UsageQuery): Promise<UsageReport> => {
  const range = rangeOf(q, engine.clock())
  const groups = q.step === 'none' ? q.limit : Math.min(q.limit, maxUsageSeries)
  const rows = await usageRows(engine.db, {
    ...wanted(principal, q, range),
    groups,
    limit: (groups + 1) * (maxUsageSteps + 2),
  })
  const byPlace = new Map<number, UsageRow[]>()
  for (const row of rows) byPlace.get(row.place)?.push(row) ?? byPlace.set(row.place, [row])
  const other = byPlace.get(0)
  byPlace.delete(0)
  return {
    from: range.from.toISOString(),
    to: range.to.toISOString(),
    by: q.by,
    step: q.step,
    items: [...byPlace.values()].map(groupOf),
    other: other ? groupOf(other) : null,
  }
}

/** The same as lines of a table, all of it. */
export const usageTable = async (engine: Engine, principal: Principal, q: UsageQuery): Promise<UsageRow[]> => {
  const range = rangeOf(q, engine.clock())
  const rows = await usageRows(engine.db, {
    ...wanted(principal, q, range),
    groups: maxUsageLines,
    limit: maxUsageLines + 1,
  })
  if (rows.length > maxUsageLines)
    throw fault('fields_disagree', `more than ${maxUsageLines} lines: ask for fewer hours, or for a longer \`step\``)
  return rows
}

const wanted = (principal: Principal, { by, step }: UsageQuery, range: Range) => ({
  experimentId: experimentOf(principal),
  ...range,
  by: (by.startsWith('label:') ? 'label' : by) as UsageBy,
  label: by.startsWith('label:') ? by.slice('label:'.length) : '',
  step: step as UsageStep,
})

type Range = { from: Date; to: Date; unit: 'hour' | 'day' }

/** Longer than this, what is not asked for by the hour is added up from days, ms: two days. */
const longMs = 2 * stepMs.day

/** Whole hours or days, and no more of them than a series may have. */
const rangeOf = (q: UsageQuery, now: Date): Range => {
  const until = q.to ? Date.parse(q.to) : now.getTime()
  const since = q.from ? Date.parse(q.from) : until - stepMs.day
  if (!(since <= until)) throw fault('fields_disagree', '`from` is after `to`')
  const unit = q.step === 'day' || (q.step === 'none' && until - since > longMs) ? 'day' : 'hour'
  const unitMs = stepMs[unit]
  const from = Math.floor(since / unitMs) * unitMs
  const to = Math.max(Math.ceil(until / unitMs) * unitMs, from + unitMs)
  if (q.step !== 'none' && (to - from) / unitMs > maxUsageSteps)
    throw fault('fields_disagree', `\`from\` to \`to\` is more than ${maxUsageSteps} times the \`step\``)
  return { from: new Date(from), to: new Date(to), unit }
}

const groupOf = (rows: UsageRow[]): UsageGroup => ({
  name: rows[0]!.name,
  ...rows.map(amountsOf).reduce(plus),
  series: rows.flatMap((row) => (row.at ? [{ at: row.at.toISOString(), ...amountsOf(row) }] : [])),
})

const amountsOf = ({ attempts, finished, failed, cancelled, wallSeconds, cpuSeconds }: UsageRow) => ({
  ...{ attempts, finished, failed, cancelled },
  ...{ wallSeconds, cpuSeconds },
})
type Amounts = ReturnType<typeof amountsOf>

const plus = (a: Amounts, b: Amounts): Amounts => ({
  attempts: a.attempts + b.attempts,
  finished: a.finished + b.finished,
  failed: a.failed + b.failed,
  cancelled: a.cancelled + b.cancelled,
  wallSeconds: a.wallSeconds + b.wallSeconds,
  cpuSeconds: a.cpuSeconds + b.cpuSeconds,
})
