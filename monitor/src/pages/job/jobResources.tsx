import { useQuery } from '@tanstack/react-query'
import { useMemo } from 'react'
import { useLocation, useSearch } from 'wouter'
import type { Job } from '../../../../src/contract/jobs.ts'
import type { Course } from '../../../../src/contract/told.ts'
import { type JobId, resourcesQuery, taskQuery } from '../../api/queries.ts'
import { Plot, type Series } from '../../charts/plot.tsx'
import { Pending } from '../../parts/pending.tsx'
import { Section } from '../../parts/section.tsx'
import { duration } from '../../words/durations.ts'
import { rounded } from '../../words/numbers.ts'

/** Memory and cores of an attempt over time, beside what it may have of them: of the newest attempt, or of the one in the address. */
const JobResources = ({ job, isOver }: { job: Job; isOver: boolean }) => {
  const { data, isLoading } = useQuery(resourcesQuery(job.id, isOver))
  const courses = data?.items ?? []
  const limits = useQuery({ ...taskQuery(job.taskId), enabled: courses.length > 0, refetchInterval: false })
  const asked = Number(new URLSearchParams(useSearch()).get('attempt'))
  const course = courses.find(({ attempt }) => attempt === asked) ?? courses.at(-1)
  if (isLoading || limits.isLoading) return <Pending />
  if (!course || !limits.data) return null
  const { cores } = limits.data
  return (
    <Section title="Resources" aside={courses.length > 1 && <Choice id={job.id} courses={courses} shown={course} />}>
      <div className="beside resources">
        <Used course={course} what="memoryMb" title="memory" unit="MB" limit={job.memoryMb} />
        <Used course={course} what="cores" title="cores" limit={cores} />
      </div>
    </Section>
  )
}
export default JobResources

const Choice = ({ id, courses, shown }: { id: JobId; courses: Course[]; shown: Course }) => {
  const [, go] = useLocation()
  return (
    <label className="tools small soft">
      Attempt
      <select value={shown.attempt} onChange={({ target }) => go(`/${id}?attempt=${target.value}`, { replace: true })}>
        {courses.map(({ attempt }) => (
          <option key={attempt}>{attempt}</option>
        ))}
      </select>
    </label>
  )
}

type Props = { course: Course; what: 'memoryMb' | 'cores'; title: string; unit?: string; limit: number | null }

const Used = ({ course: { attempt, points }, what, title, unit = '', limit }: Props) => {
  const seconds = points.at(-1)!.seconds
  const time = unitOf(seconds)
  const { x, ys } = useMemo(() => {
    const used = [null, ...points.map((point) => point[what])]
    const x = [0, ...points.map((point) => point.seconds / time.seconds)]
    return { x, ys: limit === null ? [used] : [used, x.map(() => limit)] }
  }, [points, what, limit, time.seconds])
  const series: Series[] = [{ title, colour: 'var(--accent)', kind: points.length > 1 ? 'line' : 'dots', size: 6 }]
  if (limit !== null) series.push({ title: 'limit', colour: 'var(--soft)', kind: 'line', width: 1 })
  const most = [rounded(Math.max(...points.map((point) => point[what]))), unit].join(' ').trim()
  return (
    <Plot
      label={`Attempt ${attempt}, ${title}: ${most} at most${limit === null ? '' : `, of ${limit}`}, over ${duration(seconds * 1000)}`}
      xTitle={`${time.name} since start`}
      yTitle={[title, unit].filter(Boolean).join(', ')}
      x={x}
      ys={ys}
      series={series}
      isFromZero
    />
  )
}

/** What so many seconds are read in. */
const unitOf = (seconds: number) => {
  if (seconds < 300) return { name: 's', seconds: 1 }
  return seconds < 3 * 3600 ? { name: 'min', seconds: 60 } : { name: 'h', seconds: 3600 }
}
