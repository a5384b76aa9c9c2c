import { writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import net, { type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { type Client, makeClient } from '../../src/contract/client.ts'
import { silentLog } from '../../src/lib/log.ts'
import { files } from '../../src/main/files.ts'
import { openEngine } from '../../src/main/openEngine.ts'
import { serve } from '../../src/main/serve.ts'
import { runPilot } from '../../src/pilot/pilot.ts'
import { Lease } from '../../src/pilot/thread/lease.ts'
import { admitToken } from '../../src/services/access/authenticate.ts'
import { defaultLimits } from '../../src/services/engine/engine.ts'
import { sql } from '../../src/store/db.ts'
import { ensurePerson } from '../../src/store/people.ts'
import { freshDatabase } from '../support/database.ts'
import { brokenInvariants } from '../support/invariants.ts'
import { eventually } from '../support/server.ts'

/** Fifteen times as fast as in real life: a lease of 3 s, and outages of 6 s where a real one of 90 s would cost every job. */
const limits = { ...defaultLimits, leaseSeconds: 3, renewSeconds: 0.5 }
const awayMs = 6000

const undo: (() => unknown)[] = []
afterAll(async () => {
  for (const act of undo.splice(0).reverse()) await act()
})

/** What stands between the server and its database, and can be cut. */
const proxyTo = async ({ host, port }: { host: string; port: number }) => {
  const sockets = new Set<net.Socket>()
  let isCut = false
  const proxy = net.createServer((client) => {
    const database = host.startsWith('/') ? net.connect(path.join(host, `.s.PGSQL.${port}`)) : net.connect(port, host)
    for (const socket of [client, database]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        sockets.delete(socket)
        client.destroy()
        database.destroy()
      })
    }
    if (isCut) client.destroy()
    client.pipe(database).pipe(client)
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  undo.push(() => proxy.close())
  return {
    port: (proxy.address() as AddressInfo).port,
    cut: (cut: boolean) => {
      isCut = cut
      if (cut) for (const socket of sockets) socket.destroy()
    },
  }
}

const passes = async (ms: number): Promise<void> => {
  const until = performance.now() + ms
  await eventually(async () => performance.now() > until, 'time passes', ms + 5000)
}

/** A server whose way to its database can be cut, and which can be started again at the same address. */
const startHouse = async () => {
  const db = await freshDatabase()
  const toDatabase = await proxyTo(db.config)
  const folder = await mkdtemp(path.join(tmpdir(), 'culm-outage-'))
  undo.push(() => rm(folder, { recursive: true, force: true }))
  let port = 0
  const startServer = async () => {
    const { engine, close } = await openEngine({
      id: 'the server',
      database: { ...db.config, host: '127.0.0.1', port: toDatabase.port },
      storageFolder: path.join(folder, 'storage'),
      log: silentLog,
      limits,
    })
    const { url, stop } = await serve(engine, { server: { host: '127.0.0.1', port }, agents: true })
    port = Number(new URL(url!).port)
    let isUp = true
    const end = async () => {
      if (!isUp) return
      isUp = false
      await stop()
      await close()
    }
    undo.push(end)
    return { engine, url: url!, port, end }
  }
  const server = await startServer()
  const now = new Date()
  const personId = await ensurePerson(server.engine.db, { experimentId: 1, name: 'ann', admin: false, now })
  await admitToken(server.engine, 'ann', { personId, note: 'test' })
  await admitToken(server.engine, 'pilots', { queueId: 1, note: 'test' })
  const client = (token: string, url = server.url): Client => {
    const made = makeClient({ url, token, retrySeconds: 30 })
    undo.push(() => made.close())
    return made
  }
  const user = client('ann')
  const { workflowId } = await user.call('createWorkflow', { body: { name: 'outage', kind: 'tasks' } })
  const go = path.join(folder, 'go')

  return {
    db,
    server,
    startServer,
    cutDatabase: toDatabase.cut,
    client,
    /** Submits jobs that run until `finish`. */
    submit: async (n: number) => {
      const payload = { kind: 'command' as const, command: ['sh', '-c', `while [ ! -e ${go} ]; do sleep 0.2; done`] }
      const jobs = Array.from({ length: n }, () => ({ args: { text: '{}' } }))
      await user.call('submitTask', { body: { workflowId, name: 'waits', payload, jobs, lostAfterSeconds: 1 } })
    },
    finish: () => writeFileSync(go, ''),
    /** A pilot as it is, which runs its jobs. */
    realPilot: (slots: number, url?: string) => {
      const ending = new AbortController()
      const { pythonPath, nodeRunner, secondThread } = files
      const pilot = runPilot({
        ...{ client: client('pilots', url), token: 'pilots', name: 'real', queue: 'local', slots, host: 'here' },
        ...{ version: '0', pythonPath, nodeRunner, secondThread, environment: { PATH: process.env.PATH } },
        folder: path.join(folder, 'pilot'),
        signal: ending.signal,
        graceSeconds: 1,
      })
      undo.push(async () => {
        writeFileSync(go, '')
        ending.abort()
        await pilot
      })
    },
    counts: async () =>
      (await db.row<{ held: number; lost: number; finished: number; online: number }>(sql`
        select (select count(*) from held)::int as held, (select count(*) from attempt where ending = 'lost')::int as lost,
               (select count(*) from job where state = 'finished')::int as finished,
               (select count(*) from pilot where state = 'online')::int as online`))!,
  }
}

test('with a thousand jobs running, first the database and then the server is away for two leases: none is run again', async () => {
  const house = await startHouse()
  const { db, counts } = house
  const pilots = house.client('pilots')

  /** Holds `n` jobs by the pilot's own lease, without running them; one that is `dead` never renews. */
  const scripted = async (name: string, n: number, { dead = false } = {}) => {
    const body = { name, queue: 'local', slots: n, host: 'here', version: '0' }
    const { pilotId, epoch, renewSeconds } = await pilots.call('registerPilot', { body })
    const { jobs } = await pilots.call('claim', {
      params: { id: pilotId },
      body: { epoch, claimSeq: 1, cores: n, jobs: n, waitSeconds: 5 },
    })
    expect(jobs).toHaveLength(n)
    const held = jobs.map(({ jobId, attempt }) => ({ jobId, attempt }))
    const drops: unknown[] = []
    const lease = new Lease({
      client: house.client('pilots'),
      tell: (message) => {
        if (message.t === 'whatIsHeld') lease.held(held, 2)
        else if (message.t === 'renewed') drops.push(...message.drop)
        else drops.push(message)
      },
      retryMs: 100,
    })
    if (!dead) lease.serve({ t: 'serve', pilotId, epoch, renewSeconds })
    const finish = () =>
      pilots.call('report', {
        params: { id: pilotId },
        body: { epoch, reports: held.map((job) => ({ ...job, what: 'finished' as const, value: { text: '1' } })) },
      })
    return { drops, finish }
  }

  await house.submit(980)
  const many = await Promise.all(Array.from({ length: 10 }, (_, i) => scripted(`scripted-${i}`, 98)))
  await house.submit(1)
  await scripted('dead', 1, { dead: true })
  await house.submit(20)
  house.realPilot(20)
  await eventually(async () => (await counts()).held === 1001, 'all jobs are held', 20_000)

  house.cutDatabase(true)
  await passes(awayMs)
  house.cutDatabase(false)
  // Who died meanwhile is found out, so somebody judged; everybody else is as before.
  await eventually(async () => (await counts()).lost === 1, 'the job of the dead pilot is lost', 20_000)
  expect(await counts()).toEqual({ held: 1000, lost: 1, finished: 0, online: 11 })

  await house.server.end()
  await passes(awayMs)
  const { engine } = await house.startServer()
  const heardAgain = () =>
    db.row<{ n: number }>(sql`
      select count(*)::int as n from pilot p, server s where p.state = 'online' and p.seen_at > s.heard_until - interval '1 s'`)
  await eventually(async () => (await heardAgain())!.n === 11, 'all pilots are heard again', 20_000)
  await passes(limits.leaseSeconds * 1000 + 1000)
  expect(await counts()).toEqual({ held: 1000, lost: 1, finished: 0, online: 11 })
  expect(many.flatMap((pilot) => pilot.drops)).toEqual([])

  house.finish()
  for (const pilot of many) await pilot.finish()
  await eventually(async () => (await counts()).finished === 1001, 'all jobs have finished', 20_000)
  expect(await db.rows(sql`select id from job where attempt > 1`)).toHaveLength(1)
  expect(await brokenInvariants(engine.db)).toEqual([])
}, 120_000)

test('a pilot that was cut off until it was given up goes on with what nobody has begun again', async () => {
  const house = await startHouse()
  const { db, server, counts } = house
  const toServer = await proxyTo({ host: '127.0.0.1', port: server.port })
  await house.submit(3)
  house.realPilot(3, `http://127.0.0.1:${toServer.port}`)
  const running = () => db.row<{ n: number }>(sql`select count(*)::int as n from job where state = 'running'`)
  await eventually(async () => (await running())!.n === 3, 'all jobs run', 20_000)
  toServer.cut(true)
  await eventually(async () => (await counts()).lost === 3, 'its jobs are lost', 20_000)
  expect(await counts()).toEqual({ held: 0, lost: 3, finished: 0, online: 0 })
  toServer.cut(false)
  await eventually(async () => (await counts()).online === 1, 'it is heard', 20_000)
  await eventually(async () => (await counts()).held === 3, 'it has its jobs again', 20_000)
  house.finish()
  await eventually(async () => (await counts()).finished === 3, 'its jobs have finished', 20_000)
  expect(await db.rows(sql`select attempt, ending from attempt`)).toEqual(
    [1, 2, 3].map(() => ({ attempt: 1, ending: 'finished' })),
  )
  expect(await brokenInvariants(server.engine.db)).toEqual([])
}, 60_000)
