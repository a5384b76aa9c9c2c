import { foldUsageDeltas, forgetUsageMinutes, takeUsageLock } from '../../store/usage.ts'
import { type Engine, transact } from '../engine/engine.ts'

const page = 5000

/** So long minutes are kept, s: two days. Hours are kept for ever. */
const minutesKeptSeconds = 172_800

/** Adds up what was used since, a page of it. True when there is probably more. */
export const foldUsage = (engine: Engine): Promise<boolean> =>
  transact(engine, async (tx) => (await takeUsageLock(tx)) && (await foldUsageDeltas(tx, page)) === page)

export const forgetMinutes = async (engine: Engine): Promise<void> => {
  await forgetUsageMinutes(engine.db, new Date(engine.clock().getTime() - minutesKeptSeconds * 1000))
}
