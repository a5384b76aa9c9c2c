import type { Outcome } from '../../src/contract/jobs.ts'
import { inScope, type Subscriber } from '../../src/services/engine/hub.ts'
import { cursorNow, missedSince } from '../../src/services/live/tailHistory.ts'
import { type Caller, NoAnswer } from './network.ts'
import type { Server } from './servers.ts'
import type { World } from './world.ts'

/**
 * A stream of outcomes, as `api/stream.ts` serves it and a client keeps it open: it ends with the server, or with the client's reach, and is opened again at
 * the last cursor. `opened` is called each time when nothing can be missed any more.
 */
export const follow = async (
  world: World,
  caller: Caller,
  stream: { workflowId: number; scope: Subscriber['scope']; signal: AbortSignal },
  hear: (outcome: Outcome) => void,
  opened: () => void,
): Promise<void> => {
  let cursor: string | undefined
  while (!stream.signal.aborted) {
    let unsubscribe = () => {}
    const broken = new AbortController()
    const broke = () => broken.abort()
    stream.signal.addEventListener('abort', broke)
    try {
      const server = await world.network.ask(caller, {
        what: `follows w${stream.workflowId}`,
        handle: async (engine, server): Promise<Server> => {
          const waiting: (() => void)[] = []
          let catchingUp = true
          unsubscribe = engine.hub.subscribe({
            ...stream,
            kinds: new Set(['outcome'] as const),
            send: (notice, at) => {
              const sent = () => {
                if (broken.signal.aborted) return
                if (!caller.reachable()) return broken.abort()
                if (notice.kind === 'outcome') hear(notice.data as Outcome)
                if (at) cursor = at
              }
              if (catchingUp) waiting.push(sent)
              else sent()
            },
          })
          if (cursor === undefined) cursor = await cursorNow(engine)
          else {
            const missed = await missedSince(engine, stream.workflowId, cursor)
            for (const { outcome, parentJobId } of missed.outcomes)
              if (inScope(stream.scope, parentJobId)) hear(outcome)
            cursor = missed.cursor
          }
          catchingUp = false
          for (const sent of waiting) sent()
          return server
        },
      })
      server.gone.addEventListener('abort', broke)
      if (!server.gone.aborted) {
        opened()
        await world.timeline.wait(null, world.chance.around(120_000), broken.signal)
      }
      server.gone.removeEventListener('abort', broke)
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error
      await world.timeline.wait(null, 500, stream.signal)
    } finally {
      unsubscribe()
      stream.signal.removeEventListener('abort', broke)
    }
  }
}
