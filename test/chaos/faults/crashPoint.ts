import { sleep } from '../../../src/lib/clock.ts'
import type { Process } from '../process.ts'
import { oneOf } from '../random.ts'
import type { Fault } from './fault.ts'

/** The named points of `src/main/crashPoints.ts`, and how often each may be passed before the end. */
const points: Record<'server' | 'agents' | 'pilot', [string, number][]> = {
  server: [
    ['claim.asked', 20],
    ['claim.replying', 20],
    ['report.asked', 20],
    ['report.replying', 20],
    ['submitTask.replying', 3],
    ['createWorkflow.replying', 1],
    ['addJobs.replying', 2],
    ['cancelTask.replying', 1],
    ['renew.replying', 3],
    ['registerPilot.replying', 1],
    ['transaction.committing', 20],
    ['transaction.committed', 20],
  ],
  agents: [
    ['transaction.committing', 40],
    ['transaction.committed', 40],
  ],
  pilot: [
    ['registerPilot.answered', 1],
    ['claim.asking', 20],
    ['claim.answered', 20],
    ['report.asking', 20],
    ['report.answered', 20],
  ],
}

/** How long to wait for the process to come to its point, s. */
const patience = 20

/** A process is started anew, and dies at a named point; what did not come there goes on, and may die there later. */
const crashAt = (kind: 'server' | 'agents' | 'pilot'): Fault => ({
  kind: `crash point of a ${kind}`,
  seconds: 40,
  act: async (stage) => {
    const { world, random } = stage
    const all: Process[] =
      kind === 'server' ? world.servers : kind === 'agents' ? world.agents : world.pilots.map((p) => p.process)
    const struck = stage.take(all, (p) => p.name)
    if (!struck) return
    const [point, most] = oneOf(random, points[kind])
    const armed = `${point}:${1 + Math.floor(random() * most)}`
    const incident = stage.begin('restart with a crash point', struck.name, armed)
    await struck.kill()
    world.armed.set(struck.name, armed)
    await struck.start({ CULM_CRASH_AT: armed })
    await stage.over(incident)
    for (let i = 0; i < patience * 10 && world.armed.has(struck.name); i++) await sleep(100)
    // One that died is being started again by the world.
    for (let i = 0; i < 200 && !struck.running; i++) await sleep(100)
  },
})

export const crashServer = crashAt('server')
export const crashAgents = crashAt('agents')
export const crashPilot = crashAt('pilot')
