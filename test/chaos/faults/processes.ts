import { readFileSync } from 'node:fs'
import path from 'node:path'
import { sql } from '../../../src/store/db.ts'
import { eventually } from '../eventually.ts'
import { between, oneOf } from '../random.ts'
import { type Pilot, processesOf, type World } from '../world.ts'
import type { Fault } from './fault.ts'

const pilotName = ({ process }: Pilot): string => process.name

/** Until the pilot holds jobs again. */
export const pilotBack = (world: World, { folder }: Pilot): Promise<unknown> => {
  const name = readFileSync(path.join(folder, 'name'), 'utf8').trim()
  return eventually(
    () =>
      world.db
        .row(
          sql`select 1 as one from pilot p where p.name = ${name} and p.state = 'online' and exists (select from held h where h.pilot_id = p.id and h.epoch = p.epoch)`,
        )
        .catch(() => undefined),
    `${name} holds jobs again`,
    120_000,
    100,
  )
}

export const killServer: Fault = {
  kind: 'kill server',
  seconds: 20,
  act: async (stage) => {
    const { world, random } = stage
    const server = stage.take(world.servers, (s) => s.name)
    if (!server) return
    const incident = stage.begin('kill server', server.name)
    await server.kill()
    await stage.wait(between(random, 0, 4))
    await stage.over(
      incident,
      server.start().then(() => world.serverReady(world.servers.indexOf(server))),
    )
  },
}

/** None is there for a while; longer than any patience for a pilot when `seconds` is above 60. */
const killServers = (kind: string, low: number, high: number): Fault => ({
  kind,
  seconds: high + 30,
  act: async (stage) => {
    const { world, random } = stage
    const servers = world.servers.flatMap((server) => stage.take([server], (s) => s.name) ?? [])
    if (servers.length < world.servers.length) return
    const incident = stage.begin(kind, 'servers')
    await Promise.all(servers.map((server) => server.kill()))
    await stage.wait(between(random, low, high))
    await Promise.all(servers.map((server) => server.start()))
    await stage.over(incident, Promise.all(servers.map((_, i) => world.serverReady(i))))
  },
})
export const killAllServers = killServers('kill all servers', 1, 8)
export const serversAwayLong = killServers('servers away for 75 s', 75, 75)

export const killAgents: Fault = {
  kind: 'kill agents',
  seconds: 20,
  act: async (stage) => {
    const agents = stage.take(stage.world.agents, (a) => a.name)
    if (!agents) return
    const incident = stage.begin('kill agents', agents.name)
    await agents.kill()
    await stage.wait(between(stage.random, 0, 10))
    await stage.over(incident, agents.start())
  },
}

export const killPilot: Fault = {
  kind: 'kill pilot',
  seconds: 40,
  act: async (stage) => {
    const { world, random } = stage
    const pilot = stage.take(world.pilots, pilotName)
    if (!pilot) return
    const incident = stage.begin('kill pilot', pilotName(pilot))
    await pilot.process.kill()
    await stage.wait(between(random, 0, 15))
    await stage.over(
      incident,
      pilot.process.start().then(() => pilotBack(world, pilot)),
    )
  },
}

/** A node that goes for good, with all that ran on it; another comes in its place. */
export const losePilot: Fault = {
  kind: 'lose pilot',
  seconds: 100,
  act: async (stage) => {
    const { world } = stage
    const pilot = stage.take(world.pilots, pilotName)
    if (!pilot) return
    const incident = stage.begin('lose pilot', pilotName(pilot))
    world.pilots.splice(world.pilots.indexOf(pilot), 1)
    await pilot.process.kill()
    for (const { pid } of processesOf(pilot.folder)) killQuietly(pid)
    await pilot.proxy.close()
    await stage.over(
      incident,
      world.addPilot().then((fresh) => pilotBack(world, fresh)),
    )
  },
}

const killQuietly = (pid: number): void => {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // it has ended
  }
}

/** Payloads and runners, a few of one pilot. */
export const killRunners: Fault = {
  kind: 'kill runners',
  seconds: 5,
  act: async (stage) => {
    const { world, random } = stage
    const pilot = stage.take(world.pilots, pilotName)
    if (!pilot) return
    const all = processesOf(pilot.folder).filter(({ pid }) => pid !== pilot.process.pid)
    const runners = all.filter(({ what }) => what.includes('runner'))
    const chosen = Array.from({ length: 5 }, () =>
      oneOf(random, random() < 0.5 && runners.length > 0 ? runners : all),
    ).filter(Boolean)
    const incident = stage.begin('kill runners', pilotName(pilot), `${chosen.length} processes`)
    for (const { pid } of chosen) killQuietly(pid)
    await stage.over(incident)
  },
}

export const killDriver: Fault = {
  kind: 'kill driver',
  seconds: 5,
  act: async (stage) => {
    const n = stage.drivers.kill((all) => oneOf(stage.random, all))
    if (n !== null) await stage.over(stage.begin('kill driver', `driver${n}`))
  },
}

/** The driver of a workflow function: started again as the same run, it goes on from its journal. */
export const killProgram: Fault = {
  kind: 'kill driver of a workflow function',
  seconds: 5,
  act: async (stage) => {
    const n = stage.programs.kill((all) => oneOf(stage.random, all))
    if (n !== null) await stage.over(stage.begin('kill driver of a workflow function', `program${n}`))
  },
}

export const stopServer: Fault = {
  kind: 'stop server',
  seconds: 45,
  act: async (stage) => {
    const { world, random } = stage
    const server = stage.take(world.servers, (s) => s.name)
    if (!server) return
    const incident = stage.begin('stop server', server.name)
    server.stop()
    await stage.wait(between(random, 3, 25))
    server.continue()
    await stage.over(incident, world.serverReady(world.servers.indexOf(server)))
  },
}

export const stopAgents: Fault = {
  kind: 'stop agents',
  seconds: 60,
  act: async (stage) => {
    const agents = stage.take(stage.world.agents, (a) => a.name)
    if (!agents) return
    const incident = stage.begin('stop agents', agents.name)
    agents.stop()
    await stage.wait(between(stage.random, 5, 50))
    agents.continue()
    await stage.over(incident)
  },
}

/** Longer than the lease and than the patience for short work: its jobs go to others, and it does not know. */
const stopPilotFor = (kind: string, low: number, high: number): Fault => ({
  kind,
  seconds: high + 20,
  act: async (stage) => {
    const { world, random } = stage
    const pilot = stage.take(world.pilots, pilotName)
    if (!pilot) return
    const incident = stage.begin(kind, pilotName(pilot))
    pilot.process.stop()
    await stage.wait(between(random, low, high))
    pilot.process.continue()
    await stage.over(incident, pilotBack(world, pilot))
  },
})
export const stopPilot = stopPilotFor('stop pilot', 3, 20)
export const stopPilotLong = stopPilotFor('stop pilot for longer than its lease', 65, 80)
