import { useEffect, useState } from 'react'
import { ago, between } from '../words/durations.ts'

/** The time now, looked at every so many ms as long as the tab is seen. */
export const useNow = (everyMs = 1000) => {
  const [now, setNow] = useState(Date.now)
  useEffect(() => {
    const timer = setInterval(() => document.hidden || setNow(Date.now()), everyMs)
    return () => clearInterval(timer)
  }, [everyMs])
  return now
}

/** Made once: a time that makes its own takes a hundred times as long. */
const [clock, calendar] = [
  new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' }),
  new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' }),
]

const localTime = (at: string) => {
  const date = new Date(at)
  const isToday = date.toDateString() === new Date().toDateString()
  return (isToday ? clock : calendar).format(date)
}

/** In the reader's own time; in UTC, which logs and operators speak, when pointed at. */
export const When = ({ at, children }: { at: string; children?: React.ReactNode }) => (
  <time dateTime={at} title={`${localTime(at)} here, ${at.replace('T', ' ').replace('Z', '')} UTC`}>
    {children ?? localTime(at)}
  </time>
)

export const Ago = ({ at }: { at: string }) => {
  const now = useNow()
  return <When at={at}>{ago(at, now)}</When>
}

/** How long something has taken, or takes by now. */
export const Lasted = ({ from, to }: { from: string; to: string | null }) => {
  const now = useNow()
  return <span className="num">{between(from, to, now)}</span>
}

export const StartedAndTook = ({ createdAt, endedAt }: { createdAt: string; endedAt: string | null }) => (
  <>
    <span className="num">
      started <Ago at={createdAt} />
    </span>
    <span className="num">
      {endedAt ? 'took' : 'for'} <Lasted from={createdAt} to={endedAt} />
    </span>
  </>
)
