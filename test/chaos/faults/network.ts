import type { RouteName } from '../../../src/contract/routes.ts'
import { between } from '../random.ts'
import type { ServerProxy } from '../serverProxy.ts'
import type { World } from '../world.ts'
import type { Fault, Stage } from './fault.ts'
import { pilotBack } from './processes.ts'

const proxiesOf = (world: World): ServerProxy[] => [world.driverProxy, ...world.pilots.map((p) => p.proxy)]

/** Trouble on one way to the servers, for a while. */
const onOneWay = (
  kind: string,
  [low, high]: [number, number],
  begin: (proxy: ServerProxy, stage: Stage) => void,
  end: (proxy: ServerProxy) => void,
): Fault => ({
  kind,
  seconds: high + 5,
  act: async (stage) => {
    const { world, random } = stage
    const proxy = stage.take(proxiesOf(world), (p) => `proxy of ${p.name}`)
    if (!proxy) return
    const incident = stage.begin(kind, proxy.name)
    begin(proxy, stage)
    await stage.wait(between(random, low, high))
    end(proxy)
    await stage.over(incident)
  },
})

export const cutConnections = onOneWay(
  'cut connections',
  [0, 0],
  (proxy) => proxy.cut(),
  () => {},
)

export const delayRequests = onOneWay(
  'delay requests',
  [5, 15],
  ({ trouble }) => {
    trouble.delayMs = 2000
  },
  ({ trouble }) => {
    trouble.delayMs = 0
  },
)

/** The network hangs: nothing comes through, and nobody is told. Then all goes on, or the connections are gone. */
export const freezeNetwork = onOneWay(
  'freeze network',
  [3, 20],
  (proxy) => proxy.freeze(),
  (proxy) => proxy.thaw(),
)

export const duplicateRequests = onOneWay(
  'duplicate requests',
  [5, 15],
  ({ trouble }) => {
    trouble.duplicated = 0.5
    trouble.lagMs = 3000
  },
  ({ trouble }) => {
    trouble.duplicated = 0
  },
)

/** For longer than the patience for its jobs: it works on, and others get them too. */
export const cutPilotOff: Fault = {
  kind: 'pilot cut off for longer than its lease',
  seconds: 100,
  act: async (stage) => {
    const { world, random } = stage
    const pilot = stage.take(world.pilots, (p) => p.process.name)
    if (!pilot) return
    const incident = stage.begin('pilot cut off for longer than its lease', pilot.process.name)
    pilot.proxy.freeze()
    await stage.wait(between(random, 65, 80))
    if (random() < 0.5) pilot.proxy.cut()
    pilot.proxy.thaw()
    await stage.over(incident, pilotBack(world, pilot))
  },
}

const replies: RouteName[] = [
  'claim',
  'report',
  'renew',
  'submitTask',
  'createWorkflow',
  'addJobs',
  'registerPilot',
  'sendLogs',
  'sendTold',
  'endWorkflow',
  'cancelTask',
]

/** The server has done it, and the answer does not come: the next three of each, on every way. */
export const loseReplies: Fault = {
  kind: 'lose replies',
  seconds: 10,
  act: async (stage) => {
    const incident = stage.begin('lose replies', 'all', replies.join(' '))
    for (const { trouble } of proxiesOf(stage.world)) for (const route of replies) trouble.lostReplies.set(route, 3)
    await stage.wait(8)
    for (const { trouble } of proxiesOf(stage.world)) trouble.lostReplies.clear()
    await stage.over(incident)
  },
}

export const tearReplies: Fault = {
  kind: 'tear replies',
  seconds: 10,
  act: async (stage) => {
    const incident = stage.begin('tear replies', 'all', replies.join(' '))
    for (const { trouble } of proxiesOf(stage.world)) for (const route of replies) trouble.tornReplies.set(route, 3)
    await stage.wait(8)
    for (const { trouble } of proxiesOf(stage.world)) trouble.tornReplies.clear()
    await stage.over(incident)
  },
}
