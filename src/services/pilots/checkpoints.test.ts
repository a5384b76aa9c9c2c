import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { type ScriptedPilot, startWorld } from '../../../test/support/engines.ts'
import { brokenInvariants } from '../../../test/support/invariants.ts'
import { checkpointManifest, checkpointText } from '../../contract/blobs.ts'
import { sha256 } from '../../lib/digest.ts'
import { readId } from '../../lib/ids.ts'
import { authenticate } from '../access/authenticate.ts'
import { getBlob, getContent, putContent, readSigned } from '../blobs.ts'
import { getJob } from '../views/jobs.ts'
import { keepCheckpoint } from './checkpoints.ts'

let world: Awaited<ReturnType<typeof startWorld>>
beforeAll(async () => {
  world = await startWorld()
})
afterEach(async () => {
  expect(await brokenInvariants(world.first.db)).toEqual([])
})
afterAll(() => world.close())

const begun = async () => {
  const place = await world.place()
  const [id] = await place.submit(1)
  const pilot = await place.pilot()
  const [job] = await pilot.take()
  return { place, id: id!, pilot, job: job! }
}

const manifestOf = (files: Record<string, string>) => ({
  version: 1 as const,
  files: Object.entries(files).map(([path, text]) => ({ path, hash: sha256(text), bytes: Buffer.byteLength(text) })),
})

const put = async (url: string, text: string) => {
  const { pathname, searchParams } = new URL(url, 'http://here')
  const signed = readSigned(world.first, 'PUT', pathname.split('/').at(-1)!, Object.fromEntries(searchParams))
  await putContent(
    world.first,
    signed,
    (async function* () {
      yield Buffer.from(text)
    })(),
  )
}

/** Keeps these files as the payload with this token; gives the hashes of those that were sent. */
const keep = async (token: string, files: Record<string, string>): Promise<string[]> => {
  const payload = await authenticate(world.first, `Bearer ${token}`)
  if (payload.kind !== 'job') throw new Error('not the token of a job')
  const manifest = manifestOf(files)
  const { missing, kept } = await keepCheckpoint(world.first, payload, payload.jobId, manifest)
  if (kept) return []
  for (const { hash, url } of missing) await put(url, Object.values(files).find((text) => sha256(text) === hash)!)
  expect(await keepCheckpoint(world.first, payload, payload.jobId, manifest)).toEqual({ kept: true, missing: [] })
  return missing.map(({ hash }) => hash)
}

const seen = async (id: number, place: Awaited<ReturnType<typeof begun>>['place']) =>
  (await getJob(world.first, place.ann, id)).checkpoint

/** Its pilot gives the job back, and another takes it. */
const again = async (place: Awaited<ReturnType<typeof begun>>['place'], before: ScriptedPilot) => {
  await before.leave()
  const pilot = await place.pilot()
  return { pilot, job: (await pilot.take())[0]! }
}

test('what is kept is the last that was registered whole, and the next attempt is told of it', async () => {
  const { place, id, pilot, job } = await begun()
  expect(job.checkpoint).toBeUndefined()
  const [model, log] = ['weights', 'line 1\n']
  expect(await keep(job.token, { 'out/model': model, 'out/log': log })).toEqual([sha256(model), sha256(log)])
  expect(await keep(job.token, { 'out/model': model, 'out/log': 'line 1\nline 2\n' }), 'only what changed').toEqual([
    sha256('line 1\nline 2\n'),
  ])
  const half = manifestOf({ 'out/model': 'better weights' })
  const payload = await authenticate(world.first, `Bearer ${job.token}`)
  expect((await keepCheckpoint(world.first, payload, id, half)).kept).toBe(false)
  expect(await seen(id, place)).toMatchObject({ attempt: 1, bytes: 21 })

  const { job: second } = await again(place, pilot)
  expect(second).toMatchObject({ jobId: job.jobId, attempt: 2 })
  const { url } = await getBlob(world.first, place.pilots, second.checkpoint!, place.workflowId)
  const { pathname, searchParams } = new URL(url, 'http://here')
  const signed = readSigned(world.first, 'GET', pathname.split('/').at(-1)!, Object.fromEntries(searchParams))
  let text = ''
  for await (const chunk of (await getContent(world.first, signed)).content) text += Buffer.from(chunk).toString()
  const expected = manifestOf({ 'out/model': model, 'out/log': 'line 1\nline 2\n' })
  expect(text).toBe(checkpointText(expected))
  expect(checkpointManifest.parse(JSON.parse(text)).files.map((file) => file.path)).toEqual(['out/log', 'out/model'])
})

test('an attempt that is over keeps nothing, and what the newer one has kept stays', async () => {
  const { place, id, pilot, job } = await begun()
  await keep(job.token, { a: 'first' })
  const late = await authenticate(world.first, `Bearer ${job.token}`)
  const { pilot: other, job: second } = await again(place, pilot)
  await keep(second.token, { a: 'second' })
  await expect(keepCheckpoint(world.first, late, id, manifestOf({ a: 'first' }))).rejects.toMatchObject({
    code: 'attempt_over',
  })
  await expect(authenticate(world.first, `Bearer ${job.token}`)).rejects.toMatchObject({ code: 'unauthenticated' })
  expect(await seen(id, place)).toMatchObject({ attempt: 2, bytes: 6 })
  const { job: third } = await again(place, other)
  expect(third.checkpoint).toBe(sha256(checkpointText(manifestOf({ a: 'second' }))))
})

test('a claim that is repeated brings the checkpoint again, and jobs without one bring none', async () => {
  const place = await world.place()
  const ids = await place.submit(2)
  const pilot = await place.pilot()
  const [first] = await pilot.take()
  await keep(first!.token, { a: 'x' })
  await pilot.leave()
  const other = await place.pilot()
  const brought = await other.claim({ seq: 1 })
  const repeated = await other.claim({ seq: 1 })
  for (const { jobs } of [brought, repeated])
    expect(jobs.map((job) => [job.jobId, job.checkpoint !== undefined])).toEqual([
      [`j${ids[0]}`, true],
      [`j${ids[1]}`, false],
    ])
})

test('a payload keeps for its own job alone, and what contradicts itself or is too large is refused', async () => {
  const { id, job, place } = await begun()
  const { job: neighbour, id: other } = await begun()
  const payload = await authenticate(world.first, `Bearer ${neighbour.token}`)
  const refused = (principal: typeof payload, jobId: number, files: Record<string, string>, bytes?: number) => {
    const manifest = manifestOf(files)
    for (const file of manifest.files) file.bytes = bytes ?? file.bytes
    return expect(keepCheckpoint(world.first, principal, jobId, manifest)).rejects
  }
  await refused(payload, id, { a: 'x' }).toMatchObject({ code: 'job_unknown' })
  await refused(place.ann, id, { a: 'x' }).toMatchObject({ code: 'job_unknown' })
  await refused(payload, other, { a: 'x', 'a/b': 'y' }).toMatchObject({ code: 'checkpoint_invalid' })
  await refused(payload, other, { a: 'x' }, 2e9).toMatchObject({ code: 'blob_too_large' })
  for (const path of ['../x', '/x', 'a//b', 'a/./b', ''])
    expect(checkpointManifest.safeParse(manifestOf({ [path]: 'x' })).success, path).toBe(false)
  expect(await seen(readId('j', job.jobId)!, place)).toBeNull()
})
