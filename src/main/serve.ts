import { setMaxListeners } from 'node:events'
import type { AddressInfo } from 'node:net'
import { runAgent } from '../agents/agent.ts'
import { allAgents } from '../agents/index.ts'
import { listeners } from '../agents/listeners.ts'
import { makeServer } from '../api/server.ts'
import { fault } from '../contract/faults.ts'
import type { Engine } from '../services/engine/engine.ts'
import { collectEarly } from './collectEarly.ts'
import { type Passing, passRequests } from './crashPoints.ts'
import { version } from './files.ts'
import { readMonitor } from './monitorFiles.ts'

export type Parts = { server?: { host: string; port: number }; agents?: boolean }

/** Runs the parts of Culm that this process is: the API, the agents, or both. `stop` lets requests under way end. */
export const serve = async (
  engine: Engine,
  { server, agents }: Parts,
  passing?: Passing,
  metrics: () => Promise<string> = async () => '',
): Promise<{ url: string | null; stop: () => Promise<void> }> => {
  collectEarly()
  const ending = new AbortController()
  // Each loop listens once: more than the ten from which on Node suspects a leak, and never more than there are loops.
  setMaxListeners(0, ending.signal)
  const loops = [...(server ? listeners(engine) : []), ...(agents ? allAgents(engine) : [])].map((agent) =>
    runAgent(engine, agent, ending.signal),
  )
  const app = server ? makeServer(engine, { version, monitor: await readMonitor(), metrics }) : undefined
  if (app) passRequests(app, passing)
  const stop = async () => {
    ending.abort()
    await app?.close()
    engine.log.info({}, 'no request is under way any more')
    await Promise.all(loops)
    engine.log.info({}, 'all loops have ended')
  }
  try {
    return { url: app && server ? await listen(app, server) : null, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

const listen = async (
  app: ReturnType<typeof makeServer>,
  { host, port }: { host: string; port: number },
): Promise<string> => {
  try {
    await app.listen({ host, port })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE')
      throw fault('home_in_use', `port ${port} is in use by another program`, { port }, error)
    throw error
  }
  const { port: bound } = app.server.address() as AddressInfo
  return `http://${host.includes(':') ? `[${host}]` : host}:${bound}`
}
