import { dueTimers } from '../services/dueTimers.ts'
import type { Engine } from '../services/engine.ts'
import { foldCounters } from '../services/foldCounters.ts'
import { silentPilots } from '../services/silentPilots.ts'
import { forgetReplies } from '../store/people.ts'
import { nextTimerAt } from '../store/timers.ts'
import type { Agent } from './agent.ts'

/** Adds up the counters, and lets what they say follow. A crowd of small moves is one fold, a little later: people see counters four
 * times a second, and only tasks that wait for tasks feel the delay. */
const folder = (engine: Engine): Agent => ({
  name: 'fold',
  everyMs: 1000,
  delayMs: 50,
  once: () => foldCounters(engine),
})

const timers = (engine: Engine): Agent => ({
  name: 'timers',
  everyMs: 1000,
  once: () => dueTimers(engine),
  nextAt: () => nextTimerAt(engine.db),
})

/** Watches the leases of pilots. */
const leases = (engine: Engine): Agent => ({
  name: 'leases',
  everyMs: 1000,
  once: () => silentPilots(engine),
})

/** Replies to keyed requests are kept for a day: whoever repeats a request does so within minutes. */
const replies = (engine: Engine): Agent => ({
  name: 'replies',
  everyMs: 3_600_000,
  once: async () => {
    await forgetReplies(engine.db, new Date(engine.clock().getTime() - 86_400_000))
    return false
  },
})

export const allAgents = (engine: Engine): Agent[] => [folder(engine), timers(engine), leases(engine), replies(engine)]
