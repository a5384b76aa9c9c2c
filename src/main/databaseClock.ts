import type { Clock } from '../lib/clock.ts'

/** What this machine has to tell the time by, ms: one that is right in the long run but may be set, and one that is never set but may stand still while the machine sleeps. */
export type MachineClocks = { wallMs: () => number; steadyMs: () => number }

const machineClocks: MachineClocks = { wallMs: Date.now, steadyMs: () => performance.now() }

/** How often the offset is measured, ms: when the database's clock is set, so long its processes differ at most. */
const everyMs = 10_000

/** When the machine's clocks have gone so far apart, one of them was set or stood still, ms. */
const doubtMs = 250

/**
 * The database's clock as this process knows it, so that all processes on one database agree on the time. Between measurements the machine's own clocks tell how much has passed; when
 * these disagree it is measured at once, and the later one counts meanwhile: a time that is too late makes the notes of `services/hearing.ts` look old, which
 * judges nobody; one that is too early would make leases look run out.
 */
export const databaseClock = async (
  askTime: () => Promise<Date>,
  { wallMs, steadyMs }: MachineClocks = machineClocks,
): Promise<Clock> => {
  let base = { wall: 0, steady: 0, time: 0 }
  let measuring: Promise<void> | undefined
  let failedAt = Number.NEGATIVE_INFINITY
  const measure = async () => {
    const asked = steadyMs()
    const time = await askTime()
    const [wall, steady] = [wallMs(), steadyMs()]
    base = { wall, steady, time: time.getTime() + (steady - asked) / 2 }
  }
  const measureSoon = () => {
    if (measuring || steadyMs() - failedAt < 1000) return
    measuring = measure()
      .catch(() => {
        failedAt = steadyMs()
      })
      .finally(() => {
        measuring = undefined
      })
  }
  await measure()
  setInterval(measureSoon, everyMs).unref()
  return () => {
    const byWall = wallMs() - base.wall
    const bySteady = steadyMs() - base.steady
    if (Math.abs(byWall - bySteady) > doubtMs) measureSoon()
    return new Date(base.time + Math.max(byWall, bySteady))
  }
}
