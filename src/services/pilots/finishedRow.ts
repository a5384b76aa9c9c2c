import type { Report } from '../../contract/pilots.ts'
import { readId } from '../../lib/ids.ts'
import type { FinishedRow } from '../../store/jobs.ts'

/** What a report of a good end says, as it is stored. */
export const finishedRow = (r: Report, now: Date): FinishedRow => ({
  jobId: readId('j', r.jobId)!,
  attempt: r.attempt,
  ...valueColumns(r),
  startedAt: r.startedAt ? new Date(r.startedAt) : null,
  endedAt: r.endedAt ? new Date(r.endedAt) : now,
  wallSeconds: r.usage?.wallSeconds ?? null,
  cpuSeconds: r.usage?.cpuSeconds ?? null,
  maxRssMb: r.usage?.maxRssMb ?? null,
})

/** A command has no value: it finishes with null. */
const valueColumns = ({ value }: Report) =>
  value && 'blob' in value
    ? { value: null, blob: value.blob, bytes: value.bytes }
    : { value: value?.text ?? 'null', blob: null, bytes: null }
