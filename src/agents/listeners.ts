import { showId } from '../lib/ids.ts'
import { type BellKey, type Engine, hearRing } from '../services/engine/engine.ts'
import { Frames } from '../services/live/frames.ts'
import { tailHistory } from '../services/live/tailHistory.ts'
import { noteHearing, noteSeconds } from '../services/pilots/hearing.ts'
import { showCounts } from '../services/views/workflows.ts'
import { type Horizon, readHorizon } from '../store/history.ts'
import { pilotsToCancel } from '../store/pilots.ts'
import { taskProgress } from '../store/views.ts'
import type { Agent } from './agent.ts'

/** What every process that serves requests does for itself: it notes that it can hear, and keeps its hints fresh and its listeners informed. */
export const listeners = (engine: Engine): Agent[] => [
  hearing(engine),
  neighbours(engine),
  laneHints(engine),
  cancels(engine),
  tail(engine),
  progress(engine),
  frames(engine),
]

const hearing = (engine: Engine): Agent => ({
  name: 'hearing',
  everyMs: noteSeconds(engine) * 1000,
  once: async () => {
    await noteHearing(engine)
    return false
  },
})

/** Rings are sent to other processes only while there are any. */
const neighbours = (engine: Engine): Agent => ({
  name: 'neighbours',
  everyMs: 1000,
  once: async () => {
    await engine.lookAround()
    return false
  },
})

const laneHints = (engine: Engine): Agent => ({
  name: 'lanes',
  everyMs: 1000,
  once: async () => {
    await engine.lanes.refresh()
    return false
  },
})

/** Should a word to cancel have been lost, its pilot is rung for again. */
const cancels = (engine: Engine): Agent => ({
  name: 'cancels',
  everyMs: 1000,
  once: async () => {
    const here = (await pilotsToCancel(engine.db)).filter((id) => engine.pilots.has(id))
    hearRing(
      engine,
      here.map((id): BellKey => `pilot:${id}`),
    )
    return false
  },
})

/** What commits here was pushed already, so this is only for what other processes did: a little of it at once. */
const tail = (engine: Engine): Agent => {
  let place: Horizon | undefined
  return {
    name: 'tail',
    everyMs: 1000,
    delayMs: () => 20,
    once: async () => {
      place = await tailHistory(engine, place ?? (await readHorizon(engine.db)))
      return false
    },
  }
}

/** Counters at a pace fit for eyes: four times a second at most. */
const progress = (engine: Engine): Agent => ({
  name: 'progress',
  everyMs: 250,
  once: async () => {
    for (const { workflowId, taskIds } of engine.hub.takeProgress())
      for (const task of await taskProgress(engine.db, taskIds.slice(-200)))
        engine.hub.send(workflowId, {
          kind: 'progress',
          data: {
            taskId: showId('t', task.id),
            name: task.name,
            state: task.state,
            counts: showCounts(task, task.total),
            at: engine.clock().toISOString(),
          },
        })
    return false
  },
})

/** Who looks at lists gets what has changed in them, at the same pace. */
const frames = (engine: Engine): Agent => {
  const made = new Frames(engine)
  return {
    name: 'frames',
    everyMs: 250,
    once: async () => {
      await made.send()
      return false
    },
  }
}
