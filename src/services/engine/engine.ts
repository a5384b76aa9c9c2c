import { fault } from '../../contract/faults.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Log } from '../../lib/log.ts'
import { noTracer, type Tracer } from '../../lib/trace.ts'
import { Bell, rungOrLater, type Wait } from '../../lib/wake.ts'
import type { SecretKeys } from '../../ports/secretKeys.ts'
import type { Storage } from '../../ports/storage.ts'
import type { Database, Db } from '../../store/db.ts'
import { secretKey } from '../../store/people.ts'
import { TaskCache, WorkflowCache } from './caches.ts'
import { Effects } from './effects.ts'
import { Hub } from './hub.ts'
import { Lanes } from './lanes.ts'
import { noServerMetrics, type ServerMetrics } from './metrics.ts'
import { noteTroubles } from './noteTroubles.ts'
import { OpenClaims } from './openClaims.ts'
import { Viewers } from './viewers.ts'

/** What rings: a lane has work, a pilot has a word waiting, an agent has something to do, the history grew, a job printed or told something. */
export type BellKey =
  | `lane:${number}`
  | `pilot:${number}`
  | `log:${number}`
  | `told:${number}`
  | `agent:${string}`
  | 'lanes'

/** Everything the services share within one process: the database, and what is kept in memory of it, all of which may be lost at any moment. */
export type Engine = {
  /** Which server this is, among the processes on the database: the same when it is started again. */
  id: string
  db: Database
  clock: Clock
  /** How the services and agents wait, which is how time passes for them: the simulation has its own. */
  wait: Wait
  /** Chance, in [0, 1): for the jitter of repeated tries. */
  random: () => number
  log: Log
  metrics: ServerMetrics
  tracer: Tracer
  /** Names of the migrations that this version needs. */
  migrations: readonly string[]
  storage: Storage
  bell: Bell<BellKey>
  /** Rings here and, soon after, in every other process on this database. */
  ring: (keys: readonly BellKey[]) => void
  /** Tells others what a transaction has done, once it has committed. */
  tell: (effects: Effects) => void
  /** Told to other processes only: what commits here is pushed to this one's listeners at once. */
  ringOthers: (keys: readonly BellKey[]) => void
  lookAround: () => Promise<void>
  hub: Hub
  viewers: Viewers
  lanes: Lanes
  openClaims: OpenClaims
  /** Pilots for whom a word waits (a job to cancel): their next claim looks. */
  rungPilots: Set<number>
  /** Per pilot, the jobs that a claim has told it to cancel. */
  toldCancels: Map<number, Set<number>>
  /** Per pilot, its queue, and the last claim of its epoch that this process answered. */
  pilots: Map<number, { queueId: number; epoch: number; answered: number }>
  tasks: TaskCache
  workflows: WorkflowCache
  keys: { jobs: Buffer; content: Buffer; callbacks: Buffer; sessions: Buffer }
  /** What people's secrets are sealed with. */
  secretKeys: SecretKeys
  limits: Limits
}

export type Limits = {
  maxBlobBytes: number
  leaseSeconds: number
  renewSeconds: number
  driverSeconds: number
  /** So many jobs are moved in one transaction where a whole task is, or all that wait for one job. */
  jobsAtOnce: number
}

/**
 * Leases: renewed every 15 s, suspect after 45 s of silence (Kubernetes: 40 s). A value or file has at most 1 GB.
 * A driver that is silent for 60 s pauses its workflow. A thousand jobs are moved in a tenth of a second: nobody who wants a row of theirs waits for long.
 */
export const defaultLimits: Limits = {
  maxBlobBytes: 1_000_000_000,
  leaseSeconds: 45,
  renewSeconds: 15,
  driverSeconds: 60,
  jobsAtOnce: 1000,
}

/** For a part of Culm that was given no keys: it keeps no secrets. */
const noSecretKeys: SecretKeys = {
  all: async () => [],
  add: async () => {
    throw fault('secret_key_missing', 'this server was given no keys for secrets')
  },
}

export const makeEngine = async ({
  db,
  clock,
  log,
  storage,
  randomBytes,
  others,
  limits = defaultLimits,
  secretKeys = noSecretKeys,
  metrics = noServerMetrics,
  tracer = noTracer,
  migrations = [],
  wait = rungOrLater,
  random = Math.random,
  id = randomBytes(6).toString('hex'),
}: {
  id?: string
  db: Database
  clock: Clock
  log: Log
  storage: Storage
  randomBytes: (n: number) => Buffer
  /** The other processes on this database. */
  others: { send: (keys: readonly BellKey[]) => void; lookAround: () => Promise<void> }
  limits?: Limits
  secretKeys?: SecretKeys
  metrics?: ServerMetrics
  tracer?: Tracer
  migrations?: readonly string[]
  wait?: Wait
  random?: () => number
}): Promise<Engine> => {
  const bell = new Bell<BellKey>()
  const engine: Engine = {
    id,
    db,
    clock,
    wait,
    random,
    log,
    metrics,
    tracer,
    migrations,
    storage,
    bell,
    rungPilots: new Set(),
    toldCancels: new Map(),
    pilots: new Map(),
    ring: (keys) => {
      hearRing(engine, keys)
      others.send(keys)
    },
    ringOthers: (keys) => others.send(keys),
    lookAround: () => others.lookAround(),
    tell: (effects) => effects.tellTo(engine),
    hub: new Hub(),
    viewers: new Viewers(),
    lanes: new Lanes(db, bell),
    openClaims: new OpenClaims(),
    tasks: new TaskCache(db),
    workflows: new WorkflowCache(db),
    keys: {
      jobs: await secretKey(db, 'jobs', randomBytes(32)),
      content: await secretKey(db, 'content', randomBytes(32)),
      callbacks: await secretKey(db, 'callbacks', randomBytes(32)),
      sessions: await secretKey(db, 'sessions', randomBytes(32)),
    },
    limits,
    secretKeys,
  }
  return engine
}

/** A ring, from here or from another process. Work in a lane may lie below what the hints say, so a ring from elsewhere also resets them. */
export const hearRing = (engine: Engine, keys: readonly BellKey[], fromElsewhere = false): void => {
  for (const key of keys) {
    if (key.startsWith('pilot:')) engine.rungPilots.add(Number(key.slice(6)))
    if (fromElsewhere && key.startsWith('lane:')) engine.lanes.enqueued(Number(key.slice(5)), 0)
    else engine.bell.ring(key)
  }
}

/** All of `act` or nothing of it; what others should hear of it is told after the commit. */
export const transact = async <T>(engine: Engine, act: (tx: Db, effects: Effects) => Promise<T>): Promise<T> => {
  const { effects, value } = await engine.db.begin(async (tx) => {
    const effects = new Effects()
    const value = await act(tx, effects)
    if (effects.failed.length > 0) {
      await noteTroubles(tx, effects.failed, engine.clock())
      effects.ring('agent:troubles')
    }
    return { effects, value }
  })
  engine.tell(effects)
  return value
}
