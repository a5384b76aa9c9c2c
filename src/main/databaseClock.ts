import type { Clock } from '../lib/clock.ts'

/** What this machine has to tell the time by, ms: one that is right in the long run but may be set, and one that is never set but may stand still while the machine sleeps. */
export type MachineClocks = { wallMs: () => number; steadyMs: () => number }

const machineClocks: MachineClocks = { wallMs: Date.now, steadyMs: () => performance.now() }

/** How often the offset is measured, ms: when the database's clock is set, so long its processes differ at most. */
const everyMs = 10_000

/** When the machine's clocks have gone so far apart, one of them was set or stood still, ms. */
const doubtMs = 250

/** What the machine's clocks showed at a time of the database's clock, ms. */
type Reading = { wall: number; steady: number; time: number }

/**
 * The database's clock as this process knows it, so that all processes on one database agree on the time. Between measurements the machine's own clocks tell how much has passed; when
 * these disagree it is measured at once, and the later one counts meanwhile: a time that is too late makes the notes of `services/pilots/hearing.ts` look old, which
 * judges nobody; one that is too early would make leases look run out. An answer that was long under way says little, since nobody knows which way took how long: what is known
 * already stands unless the answer rules it out. (Half of the trip, as first done here, set two servers a second apart when a connection had stood still.)
 */
export const databaseClock = async (
  askTime: () => Promise<Date>,
  { wallMs, steadyMs }: MachineClocks = machineClocks,
): Promise<Clock> => {
  let base: Reading | undefined
  let measuring: Promise<void> | undefined
  let failedAt = Number.NEGATIVE_INFINITY
  const measure = async () => {
    const asked = steadyMs()
    const time = await askTime()
    const [wall, steady] = [wallMs(), steadyMs()]
    const earliest = time.getTime()
    const latest = earliest + (steady - asked)
    const likely = base ? passed(base) : (earliest + latest) / 2
    base = { wall, steady, time: Math.min(Math.max(likely, earliest), latest) }
  }
  const passed = (since: Reading): number => since.time + Math.max(wallMs() - since.wall, steadyMs() - since.steady)
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
    const since = base!
    if (Math.abs(wallMs() - since.wall - (steadyMs() - since.steady)) > doubtMs) measureSoon()
    return new Date(passed(since))
  }
}
