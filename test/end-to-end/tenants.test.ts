import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { request } from 'undici'
import { beforeAll, describe, expect, test } from 'vitest'
import type { Client } from '../../src/contract/client.ts'
import { sha256 } from '../../src/lib/digest.ts'
import { admitToken } from '../../src/services/access/authenticate.ts'
import { foldTroubles } from '../../src/services/fold/foldTroubles.ts'
import { sql } from '../../src/store/db.ts'
import { ensurePerson, makeOperator } from '../../src/store/people.ts'
import { eventually, startTestServer, type TestServer } from '../support/server.ts'

/**
 * Two experiments on one server, and every operation of the published document asked across the border between them. What bears an id in its path is
 * covered by that id; what does not needs a line in `others`, and what takes a body one in `bodies`. A route without a case fails.
 */
type Operation = {
  operationId: string
  'x-who'?: string[]
  parameters: { name: string; in: string; required: boolean; schema: { pattern?: string } }[]
  requestBody?: { content: Record<string, unknown> }
}
const document = JSON.parse(readFileSync('docs/reference/openapi.json', 'utf8')) as {
  paths: Record<string, Record<string, Operation>>
}
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
)

/** What the north owns, and how it is addressed. `word` stands in all of its texts. */
type North = {
  word: string
  w: `w${number}`
  t: `t${number}`
  j: `j${number}`
  p: `p${number}`
  k: `k${number}`
  e: `e${number}`
  hash: string
  bundle: string
  secret: string
  queue: string
  user: string
  experiment: string
}
type Life = North & { jobToken: string }
type Rightful = 'user' | 'pilot' | 'operator'
type One = (typeof operations)[number]
type Ask = { query?: Record<string, string>; body?: unknown }

const command = { kind: 'command', command: ['true'] }
const args = { text: '{}' }

/** Bodies (and queries) of operations that have an id in their path. */
const bodies: Record<string, (north: North) => Ask> = {
  renewDriver: () => ({ body: { epoch: 1 } }),
  endWorkflow: () => ({ body: { epoch: 1, state: 'done' } }),
  cancelWorkflow: () => ({ body: {} }),
  pauseWorkflow: () => ({ body: {} }),
  resumeWorkflow: () => ({ body: {} }),
  prioritiseWorkflow: () => ({ body: { priority: 7 } }),
  finishWorkflow: () => ({ body: {} }),
  addJobs: () => ({ body: { firstIndex: 2, jobs: [{ args }] } }),
  keepRecord: () => ({ body: { key: 'k', epoch: 1, value: '1' } }),
  labelWorkflow: ({ word }) => ({ body: { name: word } }),
  labelTask: ({ word }) => ({ body: { name: word } }),
  cancelTask: () => ({ body: {} }),
  pauseTask: () => ({ body: {} }),
  resumeTask: () => ({ body: {} }),
  prioritiseTask: () => ({ body: { priority: 7 } }),
  finishTask: () => ({ body: {} }),
  cancelJob: () => ({ body: {} }),
  retryWorkflow: () => ({ body: {} }),
  retryTask: () => ({ body: {} }),
  retryJob: () => ({ body: {} }),
  createCallback: () => ({ body: { seconds: 60 } }),
  getBlob: ({ w }) => ({ query: { workflowId: w } }),
  claim: () => ({ body: { epoch: 1, claimSeq: 2, cores: 1, jobs: 1, waitSeconds: 0 } }),
  report: ({ j }) => ({ body: { epoch: 1, reports: [{ jobId: j, attempt: 1, what: 'finished', value: args }] } }),
  renew: ({ j }) => ({ body: { epoch: 1, held: sha256(`${j}:1`) } }),
  sendLogs: ({ j }) => ({
    body: { epoch: 1, chunks: [{ jobId: j, attempt: 1, stream: 'stderr', offset: 0, text: 'x' }] },
  }),
  sendTold: ({ j, word }) => ({
    body: {
      epoch: 1,
      metrics: [{ jobId: j, attempt: 1, name: word, step: 2, value: 1 }],
      courses: [{ jobId: j, attempt: 1, points: [[20, 200, 2]] }],
    },
  }),
  taskMetrics: ({ word }) => ({ query: { name: word } }),
  keepCheckpoint: ({ hash, word }) => ({ body: { version: 1, files: [{ path: 'a', hash, bytes: word.length }] } }),
  leavePilot: () => ({ body: { epoch: 1 } }),
  setQueueEnvironment: () => ({ body: {} }),
}

/** Operations for which the north's work would have to have ended, or to be paused: who has the right is told so, and strangers are not. */
const underWay: Record<string, string> = {
  retryWorkflow: 'not_retriable',
  retryTask: 'not_retriable',
  retryJob: 'not_retriable',
  resumeWorkflow: 'state_forbids',
  resumeTask: 'state_forbids',
}

/**
 * Operations without an id in their path. `refused`: they name something of the north, and every stranger gets 401, 403 or 404. `blind`: strangers may ask,
 * and get nothing of the north by it. `open`: for everybody, and about nobody's things.
 */
const others: Record<string, { how: 'refused' | 'blind' | 'open'; rightful?: Rightful; ask?: (north: North) => Ask }> =
  {
    health: { how: 'open' },
    ready: { how: 'open' },
    // Totals of this process, with names of routes, queues and agents: of nobody's work.
    metrics: { how: 'blind' },
    me: { how: 'blind' },
    streamExperiment: { how: 'blind' },
    createSession: { how: 'blind' },
    getSession: { how: 'blind' },
    endSession: { how: 'blind' },
    createWorkflow: { how: 'blind', ask: () => ({ body: { name: 'x', kind: 'tasks' } }) },
    listWorkflows: { how: 'blind', ask: ({ user }) => ({ query: { owner: user } }) },
    submitTask: {
      how: 'refused',
      ask: ({ w }) => ({ body: { workflowId: w, name: 'x', payload: command, jobs: [{ args }] } }),
    },
    listTasks: { how: 'blind', ask: ({ w }) => ({ query: { workflowId: w } }) },
    overview: { how: 'blind' },
    // The north's word is asked for: names of its workflows and tasks begin with it, and an error says it.
    search: { how: 'blind', ask: ({ word }) => ({ query: { q: word } }) },
    usage: { how: 'blind', ask: () => ({ query: { by: 'user' } }) },
    // The south asks for what the north has stored under this hash: to the south it is not there.
    createBlob: { how: 'blind', ask: ({ hash, w }) => ({ body: { hash, bytes: 5, workflowId: w } }) },
    createBundle: {
      how: 'blind',
      ask: ({ hash }) => ({ body: { version: 1, language: 'node', files: [{ path: 'a.js', hash, bytes: 5 }] } }),
    },
    registerPilot: {
      how: 'refused',
      rightful: 'pilot',
      ask: ({ queue }) => ({ body: { name: 'intruder', queue, slots: 1, host: 'h', version: '1' } }),
    },
    // Machines serve all experiments, and who they are is for all to see: but not whose work they run.
    listPilots: { how: 'blind' },
    listQueues: { how: 'blind' },
    createQueue: {
      how: 'refused',
      rightful: 'operator',
      ask: () => ({ body: { name: `q${randomBytes(4).toString('hex')}` } }),
    },
    listTroubles: { how: 'blind' },
    listExperiments: { how: 'blind' },
    createExperiment: {
      how: 'refused',
      rightful: 'operator',
      ask: () => ({ body: { name: `e${randomBytes(4).toString('hex')}` } }),
    },
    listUsers: { how: 'blind' },
    addUser: { how: 'refused', ask: ({ experiment }) => ({ body: { name: 'mallory', experiment, admin: true } }) },
    listTokens: { how: 'blind' },
    createToken: { how: 'refused', ask: ({ user, experiment }) => ({ body: { user, experiment } }) },
    listSecrets: { how: 'blind' },
    setSecret: { how: 'blind', ask: ({ secret }) => ({ body: { name: secret, value: 'c291dGg=' } }) },
    rotateSecrets: { how: 'refused', rightful: 'operator' },
  }

/** Operations whose address itself is the right: without its signature they give nothing to anybody. How they say so, and what they take. */
const signed: Record<string, { code: string; body?: unknown }> = {
  putContent: { code: 'signature_invalid' },
  getContent: { code: 'signature_invalid' },
  postToCallback: { code: 'callback_invalid', body: { value: 1 } },
}

let server: TestServer
let operator: Client
let operatorToken: string
let north: { user: string; pilot: string; client: Client; pilotClient: Client }
const neighbour = 'a job of the same experiment, of another workflow'
/** Whoever must not get in, by what he is. */
let strangers: Record<string, string | null>

beforeAll(async () => {
  server = await startTestServer({ agents: false })
  const { engine } = server
  operatorToken = randomBytes(24).toString('base64url')
  const personId = await ensurePerson(engine.db, { experimentId: 1, name: 'root', admin: true, now: engine.clock() })
  await makeOperator(engine.db, personId)
  await admitToken(engine, operatorToken, { personId, note: 'test' })
  operator = server.client(operatorToken)
  const ofNorth = await tenant('north', 'ann')
  const ofSouth = await tenant('south', 'bob')
  north = { ...ofNorth, client: server.client(ofNorth.user), pilotClient: server.client(ofNorth.pilot) }

  const south = await life(server.client(ofSouth.user), server.client(ofSouth.pilot), 'south')
  const other = await life(north.client, north.pilotClient, 'north')
  const { token: revoked, id } = await north.client.call('createToken', { body: {} })
  await north.client.call('revokeToken', { params: { id } })
  strangers = {
    'an admin of the other experiment': ofSouth.user,
    'a pilot of another queue': ofSouth.pilot,
    'a job of the other experiment': south.jobToken,
    [neighbour]: other.jobToken,
    'a token that was taken back': revoked,
    'a made-up token': 'cu_0123456789',
    'a forged token of a job': south.jobToken.replace(/^cj\.\d+/, `cj.${other.j.slice(1)}`),
    'no token': null,
  }
})

const tenant = async (experiment: string, user: string) => {
  await operator.call('createExperiment', { body: { name: experiment } })
  await operator.call('addUser', { body: { name: user, experiment, admin: true } })
  await operator.call('createQueue', { body: { name: `${experiment}-queue`, site: experiment } })
  const tokenOf = async (body: object) => (await operator.call('createToken', { body })).token
  return { user: await tokenOf({ user, experiment }), pilot: await tokenOf({ queue: `${experiment}-queue` }) }
}

/** A workflow with a task of two jobs, of which a pilot of its own holds one, and one whose job has failed; a value, a bundle, a log, a token and a secret. */
const life = async (user: Client, pilot: Client, experiment: string): Promise<Life> => {
  const word = `${experiment}-${randomBytes(6).toString('hex')}`
  const queue = `${experiment}-queue`
  const { workflowId } = await user.call('createWorkflow', { body: { name: word, kind: 'function' } })
  const hash = await store(user, word)
  const files = [{ path: 'a.js', hash, bytes: word.length }]
  const { bundle } = await user.call('createBundle', { body: { version: 1, language: 'node', files } })
  const e = await trouble(user, pilot, { workflowId, queue, word })
  const jobs = [{ args: { text: `["${word}"]` } }, { args: { blob: hash, bytes: word.length } }]
  const payload = { kind: 'command' as const, command: ['true', word] }
  const { taskId } = await user.call('submitTask', {
    body: { workflowId, name: word, queue, payload, jobs, open: true },
  })
  const { pilotId } = await pilot.call('registerPilot', {
    body: { name: word, queue, slots: 1, host: 'h', version: '1' },
  })
  const claim = { epoch: 1, claimSeq: 1, cores: 1, jobs: 1 }
  const [job] = (await pilot.call('claim', { params: { id: pilotId }, body: claim })).jobs
  const chunk = { jobId: job!.jobId, attempt: 1, stream: 'stdout' as const, offset: 0, text: word }
  await pilot.call('sendLogs', { params: { id: pilotId }, body: { epoch: 1, chunks: [chunk] } })
  const held = { jobId: job!.jobId, attempt: 1 }
  const told = {
    epoch: 1,
    metrics: [{ ...held, name: word, step: 1, value: 0.5 }],
    progress: [{ ...held, done: 1, text: word }],
    courses: [{ ...held, points: [[10, 100, 1]] as [number, number, number][] }],
  }
  await pilot.call('sendTold', { params: { id: pilotId }, body: told })
  const { id: k } = await user.call('createToken', { body: { note: word } })
  await user.call('setSecret', { body: { name: word, value: Buffer.from(word).toString('base64') } })
  const { name, experiment: of } = await user.call('me')
  return {
    ...{ word, w: workflowId, t: taskId, j: job!.jobId, p: pilotId, k, e, hash, bundle, secret: word },
    ...{ queue, user: name, experiment: of, jobToken: job!.token },
  }
}

/** What went wrong with a job of a task of its own. */
const trouble = async (
  user: Client,
  pilot: Client,
  { workflowId, queue, word }: { workflowId: `w${number}`; queue: string; word: string },
) => {
  const { taskId } = await user.call('submitTask', {
    body: {
      workflowId,
      name: word,
      queue,
      payload: { kind: 'command', command: ['false'] },
      jobs: [{ args }],
      priority: 8000,
    },
  })
  const body = { name: `${word}-before`, queue, slots: 1, host: word, version: '1' }
  const { pilotId: id } = await pilot.call('registerPilot', { body })
  const claim = { epoch: 1, claimSeq: 1, cores: 1, jobs: 1 }
  const [job] = (await pilot.call('claim', { params: { id }, body: claim })).jobs
  const error = { type: 'Oops', message: word }
  const report = { jobId: job!.jobId, attempt: 1, what: 'failed' as const, cause: 'user' as const, error }
  await pilot.call('report', { params: { id }, body: { epoch: 1, reports: [report] } })
  await foldTroubles(server.engine)
  return (await user.call('taskTroubles', { params: { id: taskId } })).items[0]!.id
}

const store = async (user: Client, text: string): Promise<string> => {
  const hash = sha256(text)
  const { url } = await user.call('createBlob', { body: { hash, bytes: text.length } })
  await user.put(url!, Buffer.from(text))
  return hash
}

/** Nothing of this was ever there. */
const ghost: North = {
  ...{ word: 'ghost', w: 'w999999', t: 't999999', j: 'j999999', p: 'p999999', k: 'k999999', e: 'e999999' },
  ...{
    hash: sha256('ghost'),
    bundle: sha256('ghosts'),
    secret: 'ghost',
    queue: 'ghost',
    user: 'ghost',
    experiment: 'ghost',
  },
}

type Answer = { status: number; type: string; text: string }

const send = async (
  { method, path, operation }: One,
  whose: North,
  { query = {}, body }: Ask,
  token: string | null,
): Promise<Answer> => {
  const address = path.replace(/\{(\w+)\}/g, (_, name) => thingIn(operation, name, whose))
  const takesJson = method === 'POST' || method === 'PATCH'
  const gone = new AbortController()
  const answer = await request(`${server.url}${address}?${new URLSearchParams(query)}`, {
    method: method as 'GET',
    headers: {
      ...(token ? { authorization: `Bearer ${token}` } : {}),
      ...(method === 'PUT' ? { 'content-type': 'application/octet-stream' } : {}),
      ...(takesJson ? { 'content-type': 'application/json' } : {}),
    },
    body: takesJson ? JSON.stringify(body ?? {}) : method === 'PUT' ? 'intruder' : undefined,
    signal: gone.signal,
  })
  const type = String(answer.headers['content-type'] ?? '')
  const isStream = type.startsWith('text/event-stream')
  const text = isStream ? 'a stream' : await answer.body.text()
  if (isStream) {
    answer.body.on('error', () => {})
    gone.abort()
  }
  return { status: answer.statusCode, type, text }
}

/** Which of its things a path means is said by the form of the parameter. */
const thingIn = (operation: Operation, name: string, whose: North): string => {
  const { pattern = '' } = operation.parameters.find((p) => p.in === 'path' && p.name === name)!.schema
  const noun = /^\^([a-z])\[1-9\]/.exec(pattern)?.[1]
  if (noun && noun in whose) return whose[noun as 'w']
  if (name === 'hash') return whose.hash
  if (operation.operationId.endsWith('Secret')) return whose.secret
  if (operation.operationId === 'setQueueEnvironment') return whose.queue
  throw new Error(`{${name}} of ${operation.operationId} means nothing here yet: give it a case`)
}

const tables = () =>
  server.engine.db.rows<{ name: string }>(
    sql`select relname as name from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition and relname <> 'server' order by 1`,
  )

/** Everything in the database; but that servers live, which they write there, is not of a request. */
const everything = async (): Promise<Record<string, string>> => {
  const { db } = server.engine
  const digests: Record<string, string> = {}
  for (const { name } of await tables()) {
    const text = `select coalesce(md5(string_agg(t::text, '|' order by t::text)), '') as digest from "${name}" t`
    digests[name] = (await db.row<{ digest: string }>({ text, values: [], name: `digest-${name}` }))!.digest
  }
  return digests
}

/** The north as its own people see it. */
const seen = async ({ w, t, j }: North): Promise<unknown> =>
  Promise.all([
    north.client.call('getWorkflow', { params: { id: w } }),
    north.client.call('workflowHistory', { params: { id: w } }),
    north.client.call('listTasks', { query: { workflowId: w } }),
    north.client.call('listJobs', { params: { id: t } }),
    north.client.call('getJob', { params: { id: j } }),
    north.client.call('jobLog', { params: { id: j } }),
    north.client.call('jobMetrics', { params: { id: j } }),
    north.client.call('jobResources', { params: { id: j } }),
    north.client.call('listSecrets'),
    north.client.call('listUsers'),
  ])

/** What a problem says, with the names of what was asked for taken out. */
const problemOf = ({ status, type, text }: Answer, asked: North) => {
  expect(type, text).toContain('application/problem+json')
  const { status: told, code, detail } = JSON.parse(text) as { status: number; code: string; detail: string }
  expect(told).toBe(status)
  const names = Object.values(asked).sort((a, b) => b.length - a.length)
  return { status, code, detail: names.reduce((rest, name) => rest.replaceAll(name, '…'), detail) }
}

const expectRefused = async (one: One, askOf: (north: North) => Ask, rightful: (own: Life) => string) => {
  const own = await life(north.client, north.pilotClient, 'north')
  const before = await everything()
  for (const [who, token] of Object.entries(strangers)) {
    // Bytes are addressed by their digest within an experiment, and whoever is of it and knows the digest may have them.
    if (one.operation.operationId === 'getBlob' && who === neighbour) continue
    const answer = await send(one, own, askOf(own), token)
    expect([401, 403, 404], `${who}: ${answer.text}`).toContain(answer.status)
    const ghostly = problemOf(await send(one, ghost, askOf(ghost), token), ghost)
    expect(problemOf(answer, own), `${who} cannot tell it from what never was`).toEqual(ghostly)
  }
  expect(await everything()).toEqual(before)
  const answer = await send(one, own, askOf(own), rightful(own))
  const inVain = underWay[one.operation.operationId]
  if (inVain) expect(problemOf(answer, own)).toMatchObject({ status: 409, code: inVain })
  else expect(answer.status, `who has the right is let in: ${answer.text}`).toBeLessThan(300)
}

const expectBlind = async (one: One, askOf: (north: North) => Ask) => {
  const own = await life(north.client, north.pilotClient, 'north')
  const before = await seen(own)
  const { operationId } = one.operation
  const asked = JSON.stringify(askOf(own))
  for (const [who, token] of Object.entries(strangers)) {
    if (who === neighbour) continue
    const answer = await send(one, own, askOf(own), token)
    expect(answer.status, `${who}: ${answer.text}`).toBeLessThan(500)
    if (answer.status >= 400) problemOf(answer, own)
    // A pilot's name is for all to see, and was made of the word here.
    if (!asked.includes(own.word) && operationId !== 'listPilots') expect(answer.text, who).not.toContain(own.word)
    for (const id of [own.w, own.t, own.j, own.k]) expect(answer.text, who).not.toContain(`"${id}"`)
    if (answer.status >= 300) continue
    if (operationId === 'createBlob') expect(JSON.parse(answer.text).present, who).toBe(false)
    if (operationId === 'createBundle') expect(JSON.parse(answer.text).missing, who).toHaveLength(1)
  }
  expect(await seen(own)).toEqual(before)
}

const expectSigned = async (one: One, { code, body }: { code: string; body?: unknown }) => {
  const own = await life(north.client, north.pilotClient, 'north')
  const before = await everything()
  const expires = String(Math.floor(Date.now() / 1000) + 60)
  const made = { e: '2', n: '8', a: '1', x: expires, s: 'x'.repeat(43) }
  for (const query of [{}, made] as Record<string, string>[])
    for (const token of Object.values(strangers)) {
      const answer = await send(one, own, { query, body }, token)
      expect(problemOf(answer, own)).toMatchObject({ status: 403, code })
    }
  expect(await everything()).toEqual(before)
}

const nothing = () => ({})

/** The token of who may do it. */
const rightfulOf = ({ operationId, 'x-who': who = [] }: Operation) => {
  if (operationId === 'setQueueEnvironment') return () => operatorToken
  if (who.includes('user')) return () => north.user
  return who.includes('pilot') ? () => north.pilot : (own: Life) => own.jobToken
}

describe('what one experiment owns, another cannot reach', () => {
  test.each(operations.map((one) => [`${one.method} ${one.path}`, one] as const))('%s', async (_, one) => {
    const { operationId, parameters, requestBody } = one.operation
    if (signed[operationId]) return expectSigned(one, signed[operationId])
    if (parameters.some((p) => p.in === 'path')) {
      if (requestBody && !bodies[operationId]) throw new Error(`${operationId} takes a body: give it a line in bodies`)
      return expectRefused(one, bodies[operationId] ?? nothing, rightfulOf(one.operation))
    }
    const other = others[operationId]
    if (!other) throw new Error(`${operationId} has no case: give it a line in others`)
    const ask = other.ask ?? nothing
    if (other.how === 'blind') return expectBlind(one, ask)
    if (other.how === 'refused')
      return expectRefused(one, ask, () => ({ ...north, operator: operatorToken })[other.rightful ?? 'user'])
    expect((await send(one, ghost, {}, null)).status).toBe(200)
  })
})

/** Reads a stream until something of `kind` comes, or it ends. */
const streamed = async (client: Client, id: `w${number}`, lastId?: string) => {
  const gone = new AbortController()
  const stream = await client.open('streamWorkflow', { params: { id }, lastId, signal: gone.signal })
  const kinds: unknown[] = []
  const ended = (async () => {
    for await (const sent of stream) kinds.push(sent)
  })().catch(() => {})
  return { kinds, ended, close: () => gone.abort() }
}

test('a stream of one experiment tells nothing of another, whatever cursor it resumes from', async () => {
  const south = server.client(strangers['an admin of the other experiment']!)
  const own = await life(north.client, north.pilotClient, 'north')
  const { workflowId } = await south.call('createWorkflow', { body: { name: 'mine', kind: 'tasks' } })
  const stream = await streamed(south, workflowId, '0-0')
  await north.client.call('cancelJob', { params: { id: own.j }, body: {} })
  const report = { jobId: own.j, attempt: 1, what: 'finished' as const, value: { text: `"${own.word}"` } }
  await north.pilotClient.call('report', { params: { id: own.p }, body: { epoch: 1, reports: [report] } })
  await south.call('cancelWorkflow', { params: { id: workflowId }, body: {} })
  await eventually(async () => JSON.stringify(stream.kinds).includes('cancelAsked'), 'its own end is told')
  stream.close()
  expect(JSON.stringify(stream.kinds)).not.toContain(own.word)
  expect(JSON.stringify(stream.kinds)).not.toContain(`"${own.j}"`)
})

test('no token lies in the database', async () => {
  const { word, jobToken } = await life(north.client, north.pilotClient, 'north')
  const placesOf = async (...words: string[]) => {
    const found: string[] = []
    for (const { name } of await tables()) {
      const text = `select from "${name}" t where exists (select from unnest($1::text[]) w where strpos(t::text, w) > 0) limit 1`
      if (await server.engine.db.row({ text, values: [words], name: `places-${name}` })) found.push(name)
    }
    return found
  }
  expect(await placesOf(word)).toContain('task')
  for (const token of [north.user, north.pilot, operatorToken, jobToken])
    expect(await placesOf(token, Buffer.from(token).toString('hex'))).toEqual([])
})

test('nobody makes himself or others more than he is', async () => {
  const south = server.client(strangers['an admin of the other experiment']!)
  await expect(south.call('createToken', { body: { queue: 'south-queue' } })).rejects.toMatchObject({
    code: 'forbidden',
  })
  await expect(south.call('addUser', { body: { name: 'x', experiment: 'default' } })).rejects.toMatchObject({
    code: 'experiment_unknown',
  })
  await south.call('addUser', { body: { name: 'carl' } })
  const { token } = await south.call('createToken', { body: { user: 'carl' } })
  const carl = server.client(token)
  await expect(carl.call('addUser', { body: { name: 'carl', admin: true } })).rejects.toMatchObject({
    code: 'forbidden',
  })
  await expect(carl.call('createToken', { body: { user: 'bob' } })).rejects.toMatchObject({ code: 'forbidden' })
  expect((await carl.call('listTokens')).items.map(({ name }) => name)).toEqual(['carl'])

  await operator.call('addUser', { body: { name: 'eve', experiment: 'default', admin: true } })
  const eve = server.client((await operator.call('createToken', { body: { user: 'eve' } })).token)
  await expect(eve.call('createToken', { body: { user: 'root' } })).rejects.toMatchObject({ code: 'forbidden' })
})

test('a token ends when it is taken back or its time is over, and so does one made with it', async () => {
  const { token, expiresAt } = await north.client.call('createToken', { body: { expiresSeconds: 2 } })
  const short = server.client(token)
  const longer = await short.call('createToken', { body: { expiresSeconds: 1000 } })
  expect(longer.expiresAt).toBe(expiresAt)
  const { id, token: other } = await north.client.call('createToken', { body: {} })
  const taken = server.client(other)
  await taken.call('me')
  expect((await north.client.call('revokeToken', { params: { id } })).revokedAt).not.toBeNull()
  await expect(taken.call('me')).rejects.toMatchObject({ code: 'unauthenticated' })
  await eventually(
    () =>
      short.call('me').then(
        () => false,
        (error) => error.code === 'unauthenticated',
      ),
    'its time is over',
  )
})

test('frames of one experiment tell nothing of another', async () => {
  const south = server.client(strangers['an admin of the other experiment']!)
  const gone = new AbortController()
  const stream = await south.open('streamExperiment', { signal: gone.signal })
  const told: string[] = []
  void (async () => {
    // A pilot's name is for all to see, and was made of the word here.
    for await (const { data } of stream) told.push(JSON.stringify({ ...(data as object), pilots: [] }))
  })().catch(() => {})
  const untilToldOf = (name: string) =>
    eventually(async () => {
      await south.call('createWorkflow', { body: { name, kind: 'tasks' } })
      return told.join().includes(name)
    }, `it is told of ${name}`)
  await untilToldOf('one before')
  const own = await life(north.client, north.pilotClient, 'north')
  await untilToldOf('one after')
  gone.abort()
  for (const secret of [own.word, `"${own.w}"`, `"${own.t}"`, `"${own.j}"`]) expect(told.join()).not.toContain(secret)
})
