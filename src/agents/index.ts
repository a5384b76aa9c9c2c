import { forgetSessions } from '../services/access/sessions.ts'
import { dueTimers } from '../services/dueTimers.ts'
import type { Engine } from '../services/engine/engine.ts'
import { foldCounters } from '../services/fold/foldCounters.ts'
import { foldTroubles, forgetTroubles } from '../services/fold/foldTroubles.ts'
import { foldUsage, forgetMinutes } from '../services/fold/foldUsage.ts'
import { forgetPosted } from '../services/jobs/callbacks.ts'
import { familyPage } from '../services/jobs/family.ts'
import { silentPilots } from '../services/pilots/silentPilots.ts'
import { forgetCourses } from '../services/pilots/told.ts'
import { goOnRetrying } from '../services/steer/rounds.ts'
import { sweepPage } from '../services/steer/sweeps.ts'
import { anyTaskWaits } from '../store/edges.ts'
import { forgetReplies } from '../store/people.ts'
import { nextTimerAt } from '../store/timers.ts'
import type { Agent } from './agent.ts'

/**
 * Adds up the counters, and lets what they say follow. A crowd of small moves is one fold, a little later: people see counters four times a second. Only a task that waits
 * for a task feels the delay, so while there is such a one it is short.
 */
const folder = (engine: Engine): Agent => ({
  name: 'fold',
  everyMs: 1000,
  delayMs: async () => ((await anyTaskWaits(engine.db)) ? 20 : 250),
  once: () => foldCounters(engine),
})

/** Adds up what was used, for reports. */
const usage = (engine: Engine): Agent => ({
  name: 'usage',
  everyMs: 1000,
  once: () => foldUsage(engine),
})

/** Adds up what went wrong. */
const troubles = (engine: Engine): Agent => ({
  name: 'troubles',
  everyMs: 5000,
  delayMs: () => 250,
  once: () => foldTroubles(engine),
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

/** Goes on with retries whose asker died on the way. */
const retries = (engine: Engine): Agent => ({
  name: 'retries',
  everyMs: 5000,
  once: () => goOnRetrying(engine),
})

/** Goes through what waits of tasks that were paused, let go or given another priority. */
const sweeps = (engine: Engine): Agent => ({
  name: 'sweeps',
  everyMs: 1000,
  once: () => sweepPage(engine),
})

/** Tells the many children of a job how that ended. */
const families = (engine: Engine): Agent => ({
  name: 'families',
  everyMs: 1000,
  once: () => familyPage(engine),
})

/** Replies to keyed requests and to posts are kept for a day: whoever repeats a request does so within minutes. Minutes of usage are kept for two, what attempts used over time for thirty. */
const replies = (engine: Engine): Agent => ({
  name: 'replies',
  everyMs: 3_600_000,
  once: async () => {
    await forgetReplies(engine.db, new Date(engine.clock().getTime() - 86_400_000))
    await forgetPosted(engine)
    await forgetMinutes(engine)
    await forgetSessions(engine)
    await forgetTroubles(engine)
    await forgetCourses(engine)
    return false
  },
})

export const allAgents = (engine: Engine): Agent[] => [
  folder(engine),
  usage(engine),
  troubles(engine),
  timers(engine),
  leases(engine),
  retries(engine),
  sweeps(engine),
  families(engine),
  replies(engine),
]
