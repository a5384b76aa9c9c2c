import { queryOptions } from '@tanstack/react-query'
import type { Queue } from '../../../../src/contract/pilots.ts'
import type { UsageGroup, UsageReport } from '../../../../src/contract/usage.ts'
import { ask } from '../../api/ask.ts'
import { pageSize } from '../../api/queries.ts'
import type { Column } from '../../parts/table.tsx'
import { percent } from '../../words/numbers.ts'
import { fromOf } from '../errors/window.ts'

/** How far back is looked for how well queues do, h: as far as for what fails in them. */
export const lateHours = 24

/** What queues were used for of late, those with most wall time. */
export const queueUsageQuery = queryOptions({
  queryKey: ['usage', 'queues of late'],
  queryFn: ({ signal }) =>
    ask('GET /v1/usage', { query: { by: 'queue', from: fromOf(lateHours), limit: pageSize }, signal }),
  refetchInterval: 10_000,
})

/** What a queue was used for; null when nobody tells: beyond the first so many it is among all others. */
export const usageOf = ({ items, other }: UsageReport, queue: string): UsageGroup | undefined | null =>
  items.find(({ name }) => name === queue) ?? (other ? null : undefined)

/** Of the jobs that ended for good there, how many ended well, %. */
export const endedWell = ({ finished, failed }: UsageGroup) => share(finished, finished + failed)

/** How much of their time jobs kept a core at work, %: with several cores it may be more than all of it. */
export const efficiency = ({ cpuSeconds, wallSeconds }: UsageGroup) => share(cpuSeconds, wallSeconds)

const share = (part: number, whole: number) => (whole > 0 ? percent(part, whole) : undefined)

export const shareText = (n: number | undefined) => (n === undefined ? '–' : `${n} %`)

/** How well queues did, for the table of them; nothing stands there until it is known. */
export const usageColumns = (report: UsageReport | undefined): Column<Queue>[] => {
  const column = (id: string, title: string, of: (group: UsageGroup) => number | undefined): Column<Queue> => ({
    ...{ id, title, width: '7rem', isRight: true, isWide: true },
    cell: ({ name }) => {
      const group = report ? usageOf(report, name) : null
      return group === null ? '' : shareText(group && of(group))
    },
    sortBy: ({ name }) => {
      const group = report && usageOf(report, name)
      return (group && of(group)) ?? -1
    },
  })
  return [column('well', 'Ended well', endedWell), column('efficiency', 'Efficiency', efficiency)]
}
