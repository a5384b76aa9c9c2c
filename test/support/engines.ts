import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { ClaimReply, Report } from '../../src/contract/pilots.ts'
import { type NewTask, newTask } from '../../src/contract/tasks.ts'
import { newWorkflow } from '../../src/contract/workflows.ts'
import { readId } from '../../src/lib/ids.ts'
import { silentLog } from '../../src/lib/log.ts'
import { openEngine } from '../../src/main/openEngine.ts'
import { admitToken, authenticate } from '../../src/services/access/authenticate.ts'
import { dueTimers } from '../../src/services/dueTimers.ts'
import { defaultLimits, type Engine, type Limits } from '../../src/services/engine/engine.ts'
import { foldCounters } from '../../src/services/fold/foldCounters.ts'
import { foldTroubles } from '../../src/services/fold/foldTroubles.ts'
import { claimJobs } from '../../src/services/pilots/claimJobs.ts'
import { noteHearing } from '../../src/services/pilots/hearing.ts'
import { heldDigest, leavePilot, registerPilot, renewPilot } from '../../src/services/pilots/pilots.ts'
import { reportJobs } from '../../src/services/pilots/reportJobs.ts'
import { silentPilots } from '../../src/services/pilots/silentPilots.ts'
import { submitTask } from '../../src/services/submit/submitTask.ts'
import { createWorkflow } from '../../src/services/workflows/workflows.ts'
import { sql } from '../../src/store/db.ts'
import { ensurePerson } from '../../src/store/people.ts'
import { freshDatabase } from './database.ts'

/**
 * Engines of several processes on one database of the test file's own, without their loops: time stands still until `pass` lets it go on, and agents look when they
 * are told to. Nothing sleeps, and two hours pass in seconds.
 */
export const startWorld = async ({ limits = defaultLimits }: { limits?: Limits } = {}) => {
  const { config } = await freshDatabase()
  const folder = await mkdtemp(path.join(tmpdir(), 'culm-storage-'))
  let nowMs = Date.parse('2030-01-01T00:00:00Z')
  const opened: (() => Promise<void>)[] = []

  const server = async (id?: string): Promise<Engine> => {
    const { engine, close } = await openEngine({
      id,
      database: config,
      storageFolder: folder,
      log: silentLog,
      connections: 4,
      limits,
      clock: () => new Date(nowMs),
    })
    opened.push(close)
    await noteHearing(engine)
    return engine
  }
  const first = await server()

  /** What agents have to do at this time of the clock. */
  const watch = async (): Promise<void> => {
    while (await silentPilots(first));
    while (await dueTimers(first));
  }

  /** All that agents have to do now. */
  const look = async (): Promise<void> => {
    await watch()
    while (await foldCounters(first));
    while (await foldTroubles(first));
  }

  /** Lets time go on. In it these processes can hear (the first when left out), and these pilots are heard by the first of them. */
  const pass = async (
    seconds: number,
    {
      hearing = [first],
      heard = [],
      looks = true,
    }: { hearing?: Engine[]; heard?: ScriptedPilot[]; looks?: boolean } = {},
  ): Promise<void> => {
    for (let left = seconds; left > 0; left -= stepSeconds) {
      nowMs += Math.min(left, stepSeconds) * 1000
      for (const engine of hearing) await noteHearing(engine)
      for (const pilot of heard) await pilot.renew(hearing[0])
      if (looks) await watch()
    }
    if (looks) await look()
  }

  return {
    first,
    server,
    look,
    pass,
    now: () => new Date(nowMs),
    /** Sets the clock; what passed is nobody's doing. */
    jump: (seconds: number) => {
      nowMs += seconds * 1000
    },
    /** A queue of the test's own, so that nothing of other tests is claimed. */
    place: (options?: { lostAfterSeconds?: number }) => makePlace(first, options),
    close: async () => {
      for (const close of opened.splice(0)) await close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** As often as servers note that they can hear. */
const stepSeconds = 5

let places = 0

const makePlace = async (engine: Engine, { lostAfterSeconds }: { lostAfterSeconds?: number } = {}) => {
  const queue = `place-${++places}`
  const { id: queueId } = (await engine.db.row<{ id: number }>(sql`
    insert into queue (site_id, name, state, lost_after_seconds) values (1, ${queue}, 'online', ${lostAfterSeconds ?? null}::int) returning id`))!
  await engine.lanes.refresh()
  const now = engine.clock()
  const personId = await ensurePerson(engine.db, { experimentId: 1, name: 'ann', admin: false, now })
  await admitToken(engine, `ann-${queue}`, { personId, note: 'test' })
  await admitToken(engine, `pilots-${queue}`, { queueId, note: 'test' })
  const ann = await authenticate(engine, `Bearer ann-${queue}`)
  const pilots = await authenticate(engine, `Bearer pilots-${queue}`)
  const { workflowId } = await createWorkflow(engine, ann, newWorkflow.parse({ name: 'test', kind: 'tasks' }))

  return {
    queueId,
    queue,
    ann,
    pilots,
    workflowId,
    /** Submits a task of `n` jobs of a command; their ids. */
    submit: async (n: number, more: Partial<NewTask> = {}): Promise<number[]> => {
      const payload = { kind: 'command', command: ['true'] }
      const jobs = Array.from({ length: n }, (_, i) => ({ args: { text: JSON.stringify({ a: [i] }) } }))
      const task = newTask.parse({ workflowId, queue, name: 'test', payload, jobs, ...more })
      const taskId = readId('t', (await submitTask(engine, ann, task)).taskId)!
      // Those of tasks that are submitted at the same time may have their ids in turns.
      const rows = await engine.db.rows<{ id: number }>(
        sql`select id from job where task_id = ${taskId} order by index`,
      )
      return rows.map(({ id }) => id)
    },
    pilot: (options?: PilotOptions) => startPilot(engine, pilots, queue, options),
  }
}

type PilotOptions = { name?: string; host?: string; slots?: number; gpus?: number; start?: number; at?: Engine }
export type ScriptedPilot = Awaited<ReturnType<typeof startPilot>>
export type Held = { jobId: `j${number}`; attempt: number }

let pilots = 0

/** A pilot that does as it is told, at any of the servers. It holds what its claims brought until it reports their end or is told to drop them. */
const startPilot = async (
  first: Engine,
  principal: Awaited<ReturnType<typeof authenticate>>,
  queue: string,
  { name = `pilot-${++pilots}`, host = 'here', slots = 5000, gpus, start, at: home = first }: PilotOptions = {},
) => {
  const body = { name, host, queue, slots: Math.min(slots, 4096), gpus, version: '1', start }
  const { pilotId, epoch } = await registerPilot(home, principal, body)
  const id = readId('p', pilotId)!
  const held = new Map<string, Held>()
  let claimSeq = 0

  const claim = async ({
    at = home,
    seq = ++claimSeq,
    jobs = slots,
    waitSeconds = 0,
    freeGpus = gpus,
  } = {}): Promise<ClaimReply> => {
    await at.lanes.refresh()
    const ask = { epoch, claimSeq: seq, cores: slots, jobs: Math.min(jobs, 5000), gpus: freeGpus, waitSeconds }
    return claimJobs(at, principal, id, ask, new AbortController().signal)
  }
  const digest = () => heldDigest([...held.values()].map((h) => ({ jobId: readId('j', h.jobId)!, attempt: h.attempt })))

  return {
    id,
    epoch,
    held,
    claim,
    /** Claims, and has what came. */
    take: async (options?: Parameters<typeof claim>[0]) => {
      const { jobs } = await claim(options)
      for (const { jobId, attempt } of jobs) held.set(jobId, { jobId, attempt })
      return jobs
    },
    /** Renews as `pilot/thread/lease.ts` does: a mismatch is settled by the list. */
    renew: async (at = home, nextClaim?: number) => {
      const reply = await renewPilot(at, principal, id, { epoch, held: digest() })
      const settled = reply.matches
        ? reply
        : await renewPilot(at, principal, id, { epoch, held: digest(), list: [...held.values()], nextClaim })
      for (const { jobId } of settled.drop) held.delete(jobId)
      return settled
    },
    report: async (reports: Report[], at = home) => {
      const { answers } = await reportJobs(at, principal, id, epoch, reports)
      return answers.map((a) => a.answer)
    },
    leave: (at = home) => leavePilot(at, principal, id, epoch),
  }
}

export const finished = ({ jobId, attempt }: Held, value: unknown = null): Report => ({
  jobId,
  attempt,
  what: 'finished',
  value: { text: JSON.stringify(value) },
})
