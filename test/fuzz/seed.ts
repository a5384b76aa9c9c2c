import { createHash } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { type Client, makeClient } from '../../src/contract/client.ts'
import { tokenHash } from '../../src/services/access/authenticate.ts'
import { type Database, sql } from '../../src/store/db.ts'
import { insertToken } from '../../src/store/people.ts'
import type { System } from './system.ts'

/** Real things for invented requests to meet, and a job that stays held, so that its token stays good. */
export type Seeds = {
  jobToken: string
  known: {
    ids: Record<'w' | 't' | 'j' | 'p' | 'k' | 'e', string[]>
    hashes: string[]
    epochs: Record<string, number>
    signed: Record<'GET' | 'PUT', { hash: string; query: Record<string, string> }>
  }
  stop: () => Promise<void>
}

export const seed = async (system: System, db: Database): Promise<Seeds> => {
  const user = makeClient({ url: system.url, token: system.userToken })
  const pilot = makeClient({ url: system.url, token: system.pilotToken })
  const keeper = await makeKeeper(system, db)
  const work = await giveWork(user)
  const held = await keeper.hold(user, work.workflowId)
  const invented = await pilot.call('registerPilot', { body: { ...newPilot, name: 'invented', queue: 'local' } })
  const spare = await user.call('createToken', { body: { note: 'to be taken back' } })
  await user.call('setSecret', { body: { name: 'seed', value: 'c2VlZA==' } })
  await eventuallyDone(user, work.finished)
  const trouble = await eventually(
    async () => (await user.call('taskTroubles', { params: { id: work.failed } })).items[0],
  )
  return {
    jobToken: held.token,
    known: {
      ids: {
        w: [work.workflowId, work.cancelled],
        t: [work.finished, work.failed, work.open, work.called, held.taskId],
        j: [work.firstJobId, held.jobId],
        p: [invented.pilotId],
        k: [spare.id],
        e: [trouble.id],
      },
      hashes: [work.bundle, work.value, sha256('never stored')],
      epochs: { [invented.pilotId]: invented.epoch },
      signed: {
        GET: signedAt((await user.call('getBlob', { params: { hash: work.value } })).url),
        PUT: signedAt((await user.call('createBlob', { body: { hash: sha256('later'), bytes: 5 } })).url!),
      },
    },
    stop: async () => {
      await keeper.stop()
      for (const client of [user, pilot]) await client.close()
    },
  }
}

const newPilot = { slots: 2, host: 'nowhere', version: '0' }
const none = { text: '{"a":[]}' }
const source = 'export const twice = (n) => 2 * n\n'

/** A workflow with a task that ended, one that failed, one that takes more, one of functions, and another workflow that was cancelled. */
const giveWork = async (user: Client) => {
  const { workflowId } = await user.call('createWorkflow', { body: { name: 'seeds', kind: 'tasks' } })
  const { workflowId: cancelled } = await user.call('createWorkflow', { body: { name: 'over', kind: 'function' } })
  await user.call('cancelWorkflow', { params: { id: cancelled }, body: { why: 'a seed' } })
  const command = (name: string, words: string[]) => ({
    workflowId,
    name,
    payload: { kind: 'command' as const, command: words },
    jobs: [{ args: none }, { args: none }],
  })
  const ended = await user.call('submitTask', { body: command('ended', ['echo', 'a seed']) })
  const failed = await user.call('submitTask', { body: command('failed', ['false']) })
  const open = await user.call('submitTask', { body: { ...command('open', ['true']), open: true } })
  const bundle = await sendBundle(user)
  const called = await user.call('submitTask', {
    body: {
      workflowId,
      name: 'twice',
      payload: { kind: 'function', language: 'node', bundle, module: 'twice.js', export: 'twice' },
      jobs: [{ args: { text: '{"a":[21]}' } }],
    },
  })
  const value = await store(user, 'a stored value')
  return {
    workflowId,
    cancelled,
    bundle,
    value,
    finished: ended.taskId,
    failed: failed.taskId,
    firstJobId: ended.firstJobId!,
    open: open.taskId,
    called: called.taskId,
  }
}

const sendBundle = async (user: Client): Promise<string> => {
  const files = [{ path: 'twice.js', hash: sha256(source), bytes: source.length }]
  await store(user, source)
  return (await user.call('createBundle', { body: { version: 1, language: 'node', files } })).bundle
}

const store = async (user: Client, text: string): Promise<string> => {
  const hash = sha256(text)
  const { url } = await user.call('createBlob', { body: { hash, bytes: text.length } })
  if (url) await user.put(url, Buffer.from(text))
  return hash
}

/** A pilot of a queue of its own, where no invented request reaches it: it holds one job for as long as the cases come. */
const makeKeeper = async (system: System, db: Database) => {
  const queue = await db.row<{ id: number }>(
    sql`insert into queue (site_id, name, state) select site_id, 'kept', 'test' from queue where name = 'local' returning id`,
  )
  const token = `cp_${sha256('keeper')}`
  const whom = { kind: 'pilot' as const, personId: null, queueId: queue!.id }
  await insertToken(db, { hash: tokenHash(token), ...whom, note: 'fuzz', now: new Date() })
  const client = makeClient({ url: system.url, token })
  const { pilotId, epoch, renewSeconds } = await client.call('registerPilot', {
    body: { ...newPilot, name: 'keeper', queue: 'kept' },
  })
  const params = { id: pilotId }
  let list: { jobId: `j${number}`; attempt: number }[] = []
  const renew = () =>
    client.call('renew', {
      params,
      body: { epoch, held: sha256(list.map((h) => `${h.jobId}:${h.attempt}`).join(' ')), list },
    })
  const renewing = setInterval(() => void renew().catch(() => {}), (renewSeconds * 1000) / 3)
  return {
    hold: async (user: Client, workflowId: `w${number}`) => {
      const body = {
        workflowId,
        name: 'held',
        queue: 'kept',
        payload: { kind: 'command' as const, command: ['sleep', '1'] },
        jobs: [{ args: none }],
      }
      await eventually(() => user.call('listQueues').then(({ items }) => items.some((q) => q.name === 'kept')))
      await eventually(() =>
        user.call('submitTask', { body }).then(
          () => true,
          () => false,
        ),
      )
      const { jobs } = await client.call('claim', {
        params,
        body: { epoch, claimSeq: 1, cores: 1, jobs: 1, waitSeconds: 20 },
      })
      const [held] = jobs
      list = [{ jobId: held!.jobId, attempt: held!.attempt }]
      return held!
    },
    stop: async () => {
      clearInterval(renewing)
      await client.call('leavePilot', { params, body: { epoch } })
      await client.close()
    },
  }
}

const eventuallyDone = (user: Client, taskId: `t${number}`) =>
  eventually(async () => (await user.call('getTask', { params: { id: taskId } })).state === 'done')

/** Asks ten times a second, for half a minute at most. */
export const eventually = async <T>(look: () => Promise<T | undefined | false>): Promise<T> => {
  for (let n = 0; n < 300; n++) {
    const found = await look()
    if (found) return found
    await delay(100)
  }
  throw new Error(`not within 30 s: ${look}`)
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

const signedAt = (url: string) => {
  const { pathname, searchParams } = new URL(url, 'http://localhost')
  return { hash: pathname.split('/').at(-1)!, query: Object.fromEntries(searchParams) }
}
