import { backoffMs } from '../lib/backoff.ts'
import { messageOf } from '../lib/fault.ts'
import type { Engine } from '../services/engine/engine.ts'

/** A periodic or woken duty of the server: load, ask policy, apply. Any number of copies may run. */
export type Agent = {
  name: string
  /** It looks at least so often, whether it was woken or not. */
  everyMs: number
  /** Woken, it waits so long before it works, ms: what comes meanwhile is done together, and beside whoever woke it rather than before him. */
  delayMs?: () => number | Promise<number>
  /** Does one bounded page; true when there may be more at once. */
  once: () => Promise<boolean>
  /** When it would next have something to do of itself. */
  nextAt?: () => Promise<Date | null>
}

/** The only loop in the house: works while there is work, sleeps until woken or due, backs off when it throws, and ends with `signal`. */
export const runAgent = async (engine: Engine, agent: Agent, signal: AbortSignal): Promise<void> => {
  let failures = 0
  while (!signal.aborted) {
    const { rung, cancel } = engine.bell.arm([`agent:${agent.name}`])
    try {
      while (!signal.aborted && (await measured(engine, agent))) failures = 0
      failures = 0
      const waitMs = await waitOf(engine, agent)
      const until = engine.clock().getTime() + waitMs
      await engine.wait(rung, waitMs, signal)
      const lateMs = engine.clock().getTime() - until
      if (lateMs >= 0) engine.metrics.agentLagSeconds.observe(lateMs / 1000, agent.name)
      if (agent.delayMs) await engine.wait(null, await agent.delayMs(), signal)
    } catch (error) {
      failures++
      engine.metrics.agentFailures.add(1, agent.name)
      engine.log[failures > 3 ? 'error' : 'warn'](
        { agent: agent.name, failures, error: messageOf(error) },
        'an agent failed; it tries again',
      )
      await engine.wait(null, backoffMs(failures, { baseMs: 100, maxMs: 5000, random: engine.random }), signal)
    } finally {
      cancel()
    }
  }
}

const measured = async (engine: Engine, agent: Agent): Promise<boolean> => {
  const began = performance.now()
  const isMore = await agent.once()
  engine.metrics.agentSeconds.observe((performance.now() - began) / 1000, agent.name)
  return isMore
}

const waitOf = async (engine: Engine, agent: Agent): Promise<number> => {
  const at = await agent.nextAt?.()
  return at ? Math.max(1, Math.min(agent.everyMs, at.getTime() - engine.clock().getTime())) : agent.everyMs
}
