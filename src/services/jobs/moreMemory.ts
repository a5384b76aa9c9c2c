import { moreMemory } from '../../policy/retry/memory.ts'
import type { Db } from '../../store/db.ts'
import { type LockedJob, moveToLanes } from '../../store/jobs.ts'
import { largestMemory } from '../../store/pilots.ts'
import type { Engine } from '../engine/engine.ts'

/**
 * Jobs (their locks are held) that had too little memory and will run again ask for more: with the same they would most likely fail in the same way. They go to the lane of
 * that size; who asked for no limit has none to raise. Gives what is to be said of each.
 */
export const askForMore = async (engine: Engine, tx: Db, jobs: readonly LockedJob[]): Promise<Map<number, string>> => {
  const said = new Map<number, string>()
  const moves: { jobId: number; laneId: number }[] = []
  for (const { id: jobId, laneId } of jobs) {
    const { queueIds, cores, memoryMb: hadMb, gpus } = await engine.lanes.known(laneId)
    if (hadMb === 0) continue
    const memoryMb = moreMemory(hadMb, await largestMemory(tx, queueIds))
    said.set(jobId, memoryMb === null ? `no pilot has more than ${hadMb} MB` : `again with ${memoryMb} MB`)
    if (memoryMb !== null)
      moves.push({ jobId, laneId: await engine.lanes.workLane(queueIds, { cores, memoryMb, gpus }) })
  }
  if (moves.length > 0) await moveToLanes(tx, moves)
  return said
}
