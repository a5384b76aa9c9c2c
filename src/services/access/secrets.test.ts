import { beforeAll, describe, expect, test } from 'vitest'
import { startTestServer, type TestServer } from '../../../test/support/server.ts'
import type { Client } from '../../contract/client.ts'
import { sql } from '../../store/db.ts'
import { makeOperator } from '../../store/people.ts'

let server: TestServer
let user: Client
let pilotId: `p${number}`
beforeAll(async () => {
  server = await startTestServer()
  user = server.user
  const body = { name: 'p', queue: 'local', slots: 4, host: 'h', version: '1' }
  pilotId = (await server.pilot.call('registerPilot', { body })).pilotId
})

const base64 = (text: string) => Buffer.from(text).toString('base64')
const set = (name: string, text: string, client = user) =>
  client.call('setSecret', { body: { name, value: base64(text) } })
const rows = () =>
  server.engine.db.rows<{ personId: number; name: string; keyId: string; sealed: Buffer }>(
    sql`select person_id as "personId", name, key_id as "keyId", sealed from secret order by person_id, name`,
  )

type Wanted = { name: string; env?: string; file?: string }[]
const submit = async (secrets?: Wanted, client = user, workflow?: `w${number}`) => {
  const workflowId =
    workflow ?? (await client.call('createWorkflow', { body: { name: 'w', kind: 'tasks' } })).workflowId
  const payload = { kind: 'command' as const, command: ['true'] }
  return client.call('submitTask', {
    body: { workflowId, name: 't', payload, jobs: [{ args: { text: '{}' } }], secrets },
  })
}

let claimSeq = 0
const claim = async () => {
  const body = { epoch: 1, claimSeq: ++claimSeq, cores: 9, jobs: 9, waitSeconds: 5 }
  return server.pilot.call('claim', { params: { id: pilotId }, body })
}

describe('keeping them', () => {
  test('a secret is set, replaced, listed by its name and removed; its value is in no answer and in no row', async () => {
    await set('db', 'first-value')
    const { createdAt, setAt } = await set('db', 'second-value')
    expect(setAt > createdAt).toBe(true)
    const listed = await user.call('listSecrets')
    expect(listed).toEqual({ items: [{ name: 'db', createdAt, setAt }] })
    const [row] = await rows()
    expect(row!.sealed.toString('latin1')).not.toMatch(/-value/)
    expect((await (await server.person('else')).call('listSecrets')).items).toEqual([])
    await user.call('removeSecret', { params: { name: 'db' } })
    await expect(user.call('removeSecret', { params: { name: 'db' } })).rejects.toMatchObject({
      code: 'secret_unknown',
    })
  })

  test('what is no secret is refused before it is kept', async () => {
    const bad = (body: { name: string; value: string }) =>
      expect(user.call('setSecret', { body })).rejects.toMatchObject({ code: 'invalid_input' })
    await bad({ name: '../x', value: base64('abc') })
    await bad({ name: 'x', value: 'not base64!' })
    await bad({ name: 'x', value: Buffer.alloc(65_537).toString('base64') })
    expect(await rows()).toEqual([])
  })
})

describe('giving them', () => {
  test('only the jobs that name a secret get it, as they asked', async () => {
    await set('db', 'the-value')
    const named = await submit([{ name: 'db', env: 'DB', file: 'db.txt' }])
    const plain = await submit()
    const { tasks } = await claim()
    const given = Object.fromEntries(tasks.map((task) => [task.taskId, task.secrets]))
    expect(given).toEqual({
      [named.taskId]: [{ name: 'db', env: 'DB', file: 'db.txt', value: base64('the-value') }],
      [plain.taskId]: undefined,
    })
  })

  test('a task cannot name what its owner has not, in no way, or twice for one place', async () => {
    await set('other', 'x-value', await server.person('other-owner'))
    await expect(submit([{ name: 'other', env: 'X' }])).rejects.toMatchObject({ code: 'secret_unknown' })
    await expect(submit([{ name: 'db' }])).rejects.toMatchObject({ code: 'fields_disagree' })
    await expect(submit([{ name: 'db', env: 'CULM_TOKEN' }])).rejects.toMatchObject({ code: 'invalid_input' })
    const twice = [
      { name: 'db', env: 'X' },
      { name: 'db', env: 'X' },
    ]
    await expect(submit(twice)).rejects.toMatchObject({ code: 'fields_disagree' })
  })

  test('a job passes on what it was given, and nothing else of its owner', async () => {
    await set('given', 'given-value')
    await set('kept', 'kept-value')
    const { workflowId } = await user.call('createWorkflow', { body: { name: 'w', kind: 'function' } })
    await submit([{ name: 'given', env: 'X' }], user, workflowId)
    const { jobs } = await claim()
    const job = server.client(jobs[0]!.token)
    await expect(submit([{ name: 'kept', env: 'X' }], job, workflowId)).rejects.toMatchObject({ code: 'forbidden' })
    await submit([{ name: 'given', env: 'Y' }], job, workflowId)
    expect((await claim()).tasks[0]!.secrets).toMatchObject([{ env: 'Y', value: base64('given-value') }])
  })

  test('one that was removed meanwhile, or cannot be opened, comes with the reason; the rest of the claim goes on', async () => {
    await set('gone', 'gone-value')
    await set('moved', 'moved-value')
    await submit([{ name: 'gone', env: 'X' }])
    await submit([{ name: 'moved', env: 'X' }])
    await submit()
    await user.call('removeSecret', { params: { name: 'gone' } })
    // Somebody who can write into the database gives a secret another name: it is bound to its own.
    await server.engine.db.run(
      sql`update secret set sealed = (select sealed from secret where name = 'kept') where name = 'moved'`,
    )
    const { jobs, tasks } = await claim()
    expect(jobs).toHaveLength(3)
    expect(tasks.map(({ secrets }) => secrets?.[0]?.value)).toEqual([null, null, undefined])
    expect(tasks[0]!.secrets![0]!.problem).toMatch(/removed/)
    expect(tasks[1]!.secrets![0]!.problem).toMatch(/cannot open/)
  })
})

describe('rotating keys', () => {
  const secretKeys = () => server.engine.secretKeys

  test('a rotation seals everything with a new key, and an interrupted one is gone on with', async () => {
    await server.engine.db.run(sql`delete from secret`)
    for (let n = 0; n < 205; n++) await set(`s${n}`, `value-${n}`)
    const operator = server.client(await operatorToken())
    await expect(user.call('rotateSecrets')).rejects.toMatchObject({ code: 'forbidden' })

    const before = await secretKeys().all()
    expect(await operator.call('rotateSecrets')).toEqual({ resealed: 205, left: 0 })
    const [newest, ...older] = await secretKeys().all()
    expect(older.map(({ id }) => id)).toEqual(before.map(({ id }) => id))
    expect(new Set((await rows()).map(({ keyId }) => keyId))).toEqual(new Set([newest!.id]))

    // As if it had ended after the new key and a part of the work.
    const next = await secretKeys().add()
    await set('s0', 'value-0')
    expect(new Set((await rows()).map(({ keyId }) => keyId)).size).toBe(2)
    expect(await operator.call('rotateSecrets')).toEqual({ resealed: 204, left: 0 })
    expect((await secretKeys().all())[0]!.id).toBe(next.id)

    await submit([{ name: 's204', env: 'X' }])
    expect((await claim()).tasks[0]!.secrets).toMatchObject([{ value: base64('value-204') }])
  })

  const operatorToken = async () => {
    const { engine } = server
    const me = await engine.db.row<{ id: number }>(
      sql`insert into person (experiment_id, name, created_at) values (1, 'op', ${engine.clock()}) returning id`,
    )
    await engine.db.run(sql`insert into member (team_id, person_id, role) values (1, ${me!.id}, 'member')`)
    await makeOperator(engine.db, me!.id)
    const { admitToken } = await import('./authenticate.ts')
    await admitToken(engine, 'op-token-of-the-test', { personId: me!.id, note: 'test' })
    return 'op-token-of-the-test'
  }
})
