import { sql } from '../../../src/store/db.ts'
import { between, oneOf } from '../random.ts'
import type { World } from '../world.ts'
import type { Fault } from './fault.ts'

/** Until PostgreSQL answers, and every server says that it can serve. */
const allBack = async (world: World): Promise<void> => {
  await world.databaseBack()
  await Promise.all(world.servers.map((server, i) => (server.running ? world.serverReady(i) : undefined)))
}

export const killPostgres: Fault = {
  kind: 'kill PostgreSQL',
  seconds: 40,
  act: async (stage) => {
    const { world } = stage
    if (!stage.take(['postgres'], (name) => name)) return
    const incident = stage.begin('kill PostgreSQL', 'postgres')
    process.kill(world.postgres.pid, 'SIGKILL')
    await stage.over(
      incident,
      stage.wait(0.3).then(() => allBack(world)),
    )
  },
}

const serversBackends = async (world: World): Promise<number[]> =>
  (
    await world.db
      .rows<{ pid: number }>(sql`
        select pid from pg_stat_activity where backend_type = 'client backend' and application_name like 'culm%' and pid <> pg_backend_pid()
        order by (state = 'active') desc, xact_start nulls last limit 10`)
      .catch(() => [])
  ).map((row) => row.pid)

/** PostgreSQL ends all sessions when one dies, and recovers from its log. */
export const killBackend: Fault = {
  kind: 'kill a backend',
  seconds: 40,
  act: async (stage) => {
    const { world, random } = stage
    if (!stage.take(['postgres'], (name) => name)) return
    const pids = await serversBackends(world)
    if (pids.length === 0) return
    const incident = stage.begin('kill a backend', 'postgres')
    process.kill(oneOf(random, pids), 'SIGKILL')
    await stage.over(
      incident,
      stage.wait(0.3).then(() => allBack(world)),
    )
  },
}

/** One session hangs with whatever locks it has. */
export const stopBackend: Fault = {
  kind: 'stop a backend',
  seconds: 20,
  act: async (stage) => {
    const { world, random } = stage
    if (!stage.take(['postgres'], (name) => name)) return
    const [pid] = await serversBackends(world)
    if (pid === undefined) return
    const incident = stage.begin('stop a backend', 'postgres')
    process.kill(pid, 'SIGSTOP')
    await stage.wait(between(random, 2, 12))
    process.kill(pid, 'SIGCONT')
    await stage.over(incident, allBack(world))
  },
}

export const cutDatabase: Fault = {
  kind: 'cut connections to the database',
  seconds: 10,
  act: async (stage) => {
    const incident = stage.begin('cut connections to the database', 'database proxy')
    stage.world.databaseProxy.cut()
    await stage.over(incident, allBack(stage.world))
  },
}

export const freezeDatabase: Fault = {
  kind: 'freeze connections to the database',
  seconds: 30,
  act: async (stage) => {
    const { world, random } = stage
    if (!stage.take(['database proxy'], (name) => name)) return
    const incident = stage.begin('freeze connections to the database', 'database proxy')
    world.databaseProxy.freeze()
    await stage.wait(between(random, 2, 20))
    if (random() < 0.5) world.databaseProxy.cut()
    world.databaseProxy.thaw()
    await stage.over(incident, allBack(world))
  },
}

/** Committed, and he who asked does not hear it. */
export const loseCommits: Fault = {
  kind: 'lose replies of the database',
  seconds: 10,
  act: async (stage) => {
    const { databaseProxy } = stage.world
    const before = databaseProxy.lost
    const incident = stage.begin('lose replies of the database', 'database proxy')
    for (let i = 0; i < 10; i++) {
      databaseProxy.loseReplies = 1
      await stage.wait(between(stage.random, 0.1, 0.8))
    }
    databaseProxy.loseReplies = 0
    incident.note = `${databaseProxy.lost - before} replies`
    await stage.over(incident, allBack(stage.world))
  },
}
