import { useWindowVirtualizer } from '@tanstack/react-virtual'
import { useLayoutEffect, useRef, useState } from 'react'
import type { Task } from '../../../../src/contract/tasks.ts'
import { Thing } from '../../parts/thing.tsx'
import { useNow } from '../../parts/time.tsx'
import { countsText } from '../../states/counts.ts'
import { kindOf } from '../../states/kinds.ts'
import { between, duration } from '../../words/durations.ts'

const rowHeight = 27

/** When each task was there: from its submission to its end. */
export const TimelineView = ({ tasks, hasEarlier }: { tasks: Task[]; hasEarlier: boolean }) => {
  const now = useNow()
  const place = useRef<HTMLDivElement>(null)
  const [scrollMargin, setScrollMargin] = useState(0)
  useLayoutEffect(() => setScrollMargin(place.current?.offsetTop ?? 0), [])
  const rows = useWindowVirtualizer({ count: tasks.length, estimateSize: () => rowHeight, overscan: 15, scrollMargin })
  if (tasks.length === 0) return <p className="nothing">No task yet.</p>
  const [from, to] = spanOf(tasks, now)
  const at = (time: number) => `${(100 * (time - from)) / (to - from)}%`
  return (
    <>
      <Axis from={from} to={to} at={at} />
      <div className="timeline" ref={place} style={{ height: rows.getTotalSize() }}>
        {rows.getVirtualItems().map(({ index, start }) => {
          const task = tasks[index]!
          const end = task.endedAt ? Date.parse(task.endedAt) : now
          const words = `${task.name} ${task.id}: ${task.state}, ${between(task.createdAt, task.endedAt, now)}; ${countsText(task.counts)}`
          return (
            <div
              key={task.id}
              className="timeline-row"
              style={{ position: 'absolute', top: start - scrollMargin, width: '100%' }}
            >
              <span>
                <Thing id={task.id}>{task.name}</Thing> <span className="soft small">{task.id}</span>
              </span>
              <div className="timeline-track" role="img" aria-label={words} title={words}>
                <i
                  className={`${kindOf(task.state, 'task')} area`}
                  style={{
                    left: at(Date.parse(task.createdAt)),
                    width: `${(100 * Math.max(0, end - Date.parse(task.createdAt))) / (to - from)}%`,
                  }}
                />
              </div>
            </div>
          )
        })}
      </div>
      {hasEarlier && <p className="nothing">The newest {tasks.length} tasks.</p>}
    </>
  )
}

const spanOf = (tasks: Task[], now: number): [number, number] => {
  const from = Math.min(...tasks.map(({ createdAt }) => Date.parse(createdAt)))
  const to = Math.max(...tasks.map(({ endedAt }) => (endedAt ? Date.parse(endedAt) : now)))
  return [from, Math.max(to, from + 1000)]
}

const nice = [1, 2, 5, 10, 20, 50, 100, 200, 500]
  .map((n) => n * 100)
  .concat([60, 120, 300, 600, 1200, 1800, 3600, 7200, 21_600, 43_200, 86_400, 172_800, 604_800].map((s) => s * 1000))

/** Marks at round distances from the start, about six of them. */
const Axis = ({ from, to, at }: { from: number; to: number; at: (time: number) => string }) => {
  const step = nice.find((ms) => (to - from) / ms <= 7) ?? (to - from) / 6
  const marks = Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, i) => i * step)
  return (
    <div className="timeline-axis" aria-hidden="true">
      <span>{new Date(from).toLocaleTimeString()}</span>
      <div>
        {marks.slice(0, -1).map((ms) => (
          <span key={ms} style={{ left: at(from + ms) }}>
            {ms === 0 ? '0' : duration(ms)}
          </span>
        ))}
      </div>
    </div>
  )
}
