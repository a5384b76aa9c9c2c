import { randomBytes } from 'node:crypto'
import type { FastifyInstance, InjectOptions } from 'fastify'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startWorld } from '../../test/support/engines.ts'
import { admitToken } from '../services/access/authenticate.ts'
import { forgetSessions } from '../services/access/sessions.ts'
import { sql } from '../store/db.ts'
import { ensurePerson, insertExperiment } from '../store/people.ts'
import { makeServer } from './server.ts'

let world: Awaited<ReturnType<typeof startWorld>>
let app: FastifyInstance

beforeAll(async () => {
  world = await startWorld()
  app = makeServer(world.first, {
    version: '0',
    monitor: { index: '', assets: new Map() },
    metrics: async () => '',
  })
})
afterAll(async () => {
  await app.close()
  await world.close()
})

const person = async (name: string, experimentId = 1) => {
  const { first } = world
  const token = randomBytes(24).toString('base64url')
  const personId = await ensurePerson(first.db, { experimentId, name, admin: false, now: first.clock() })
  await admitToken(first, token, { personId, note: 'test' })
  return token
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` })

type Said = Partial<Record<'name' | 'csrf' | 'id' | 'token' | 'workflowId' | 'code', string>> & { ended?: boolean }

const ask = async (method: InjectOptions['method'], url: string, headers: Record<string, string>, payload?: object) => {
  const answer = await app.inject({ method, url, headers: { host: 'culm.example', ...headers }, payload })
  const said: Said = answer.json()
  return { status: answer.statusCode, headers: answer.headers, ...said }
}

/** Signs in, and gives what a page has then: its cookie, and the word that goes with it. */
const signIn = async (token: string, headers: Record<string, string> = {}) => {
  const { status, headers: told, csrf } = await ask('POST', '/v1/session', { ...bearer(token), ...headers })
  expect(status).toBe(201)
  const setCookie = String(told['set-cookie'])
  const cookie = { cookie: `theme=dark; ${setCookie.split(';')[0]}` }
  return { setCookie, cookie, page: { ...cookie, 'x-culm-csrf': String(csrf) } }
}

const workflow = { name: 'w', kind: 'tasks' }

describe('a session', () => {
  test('is a cookie that scripts and other sites cannot use, and of which the database has only the digest', async () => {
    const { setCookie } = await signIn(await person('ann'))
    expect(setCookie).toMatch(/^culm_session=[A-Za-z0-9_-]{43}; HttpOnly; SameSite=Strict; Path=\/; Max-Age=43200$/)
    const overTls = await signIn(await person('ann'), { 'x-forwarded-proto': 'https' })
    expect(overTls.setCookie).toMatch(/; Secure$/)
    const word = setCookie.slice('culm_session='.length).split(';')[0]!
    const kept = await world.first.db.rows<{ row: string }>(sql`select s::text as row from session s`)
    expect(JSON.stringify(kept)).not.toContain(word)
    expect(JSON.stringify(kept)).not.toContain(Buffer.from(word).toString('hex'))
  })

  test('reads and writes as its token does, what it writes with the word of its page', async () => {
    const { cookie, page } = await signIn(await person('ann'))
    expect(await ask('GET', '/v1/me', cookie)).toMatchObject({ status: 200, kind: 'user', name: 'ann' })
    expect(await ask('GET', '/v1/session', cookie)).toMatchObject({ name: 'ann', csrf: page['x-culm-csrf'] })
    expect(await ask('POST', '/v1/workflows', page, workflow)).toMatchObject({ status: 201 })
    expect(await ask('POST', '/v1/workflows', { ...page, origin: 'https://culm.example' }, workflow)).toMatchObject({
      status: 201,
    })
  })

  test('writes nothing without that word, or with that of another session', async () => {
    const token = await person('ann')
    const [{ cookie }, other] = [await signIn(token), await signIn(token)]
    for (const headers of [cookie, { ...cookie, 'x-culm-csrf': 'x' }, { ...other.page, ...cookie }])
      expect(await ask('POST', '/v1/workflows', headers, workflow)).toMatchObject({ status: 403, code: 'csrf_missing' })
  })

  test.each(['https://evil.example', 'null', 'http://culm.example:81'])(
    'writes nothing for a page of %s',
    async (origin) => {
      const { page } = await signIn(await person('ann'))
      expect(await ask('POST', '/v1/workflows', { ...page, origin }, workflow)).toMatchObject({
        status: 403,
        code: 'origin_foreign',
      })
    },
  )

  test('is begun by a token alone, and gives way to one that comes with it', async () => {
    const { page, cookie } = await signIn(await person('ann'))
    expect(await ask('POST', '/v1/session', page)).toMatchObject({ status: 401, code: 'unauthenticated' })
    const bob = bearer(await person('bob'))
    expect(await ask('GET', '/v1/session', { ...cookie, ...bob })).toMatchObject({ name: 'bob', csrf: null })
    expect(await ask('POST', '/v1/workflows', { ...cookie, ...bob }, workflow)).toMatchObject({ status: 201 })
  })

  test('is over when its page says so', async () => {
    const { page, cookie } = await signIn(await person('ann'))
    expect(await ask('DELETE', '/v1/session', cookie)).toMatchObject({ status: 403 })
    const ended = await ask('DELETE', '/v1/session', page)
    expect(ended).toMatchObject({ status: 200, ended: true })
    expect(String(ended.headers['set-cookie'])).toContain('culm_session=; ')
    expect(String(ended.headers['set-cookie'])).toContain('Max-Age=0')
    expect(await ask('GET', '/v1/me', cookie)).toMatchObject({ status: 401 })
  })

  test('is over with its token', async () => {
    const token = await person('ann')
    const made = await ask('POST', '/v1/tokens', bearer(token), {})
    const { cookie } = await signIn(String(made.token))
    expect(await ask('GET', '/v1/me', cookie)).toMatchObject({ status: 200 })
    await ask('POST', `/v1/tokens/${made.id}/revoke`, bearer(token))
    expect(await ask('GET', '/v1/me', cookie)).toMatchObject({ status: 401, code: 'unauthenticated' })

    const short = await ask('POST', '/v1/tokens', bearer(token), { expiresSeconds: 60 })
    const brief = await signIn(String(short.token))
    world.jump(61)
    expect(await ask('GET', '/v1/me', brief.cookie)).toMatchObject({ status: 401 })
  })

  test('lasts as long as it is used, and is over after 12 h without', async () => {
    const { cookie } = await signIn(await person('ann'))
    const hour = 3600
    for (const hours of [11, 11]) {
      world.jump(hours * hour)
      expect(await ask('GET', '/v1/me', cookie)).toMatchObject({ status: 200 })
    }
    world.jump(12 * hour)
    expect(await ask('GET', '/v1/me', cookie)).toMatchObject({ status: 401, code: 'unauthenticated' })
    await forgetSessions(world.first)
    expect(await world.first.db.rows(sql`select from session`)).toEqual([])
  })

  test('of one experiment sees nothing of another', async () => {
    const { id } = (await insertExperiment(world.first.db, 'south'))!
    const [ann, south] = [await signIn(await person('ann')), await signIn(await person('sue', id))]
    const { workflowId } = await ask('POST', '/v1/workflows', ann.page, workflow)
    expect(await ask('GET', `/v1/workflows/${workflowId}`, ann.cookie)).toMatchObject({ status: 200 })
    expect(await ask('GET', `/v1/workflows/${workflowId}`, south.cookie)).toMatchObject({ code: 'workflow_unknown' })
    const cancel = await ask('POST', `/v1/workflows/${workflowId}/cancel`, south.page, {})
    expect(cancel).toMatchObject({ status: 404, code: 'workflow_unknown' })
  })
})
