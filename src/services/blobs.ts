import { createHmac, timingSafeEqual } from 'node:crypto'
import { type Manifest, manifestText, maxBundleBytes } from '../contract/blobs.ts'
import { fault } from '../contract/faults.ts'
import { sha256 } from '../lib/digest.ts'
import { readId, showId } from '../lib/ids.ts'
import * as store from '../store/blobs.ts'
import { heldOf, pilotById, queueHoldsJobOf } from '../store/pilots.ts'
import type { Principal } from './access/authenticate.ts'
import { experimentOf } from './access/rights.ts'
import type { Engine } from './engine/engine.ts'

/** A signed address holds so long, s: enough to move 1 GB over a slow line. */
const signedSeconds = 3600

type Attempt = { jobId: number; attempt: number }

/** `writer`: the attempt for which bytes are put; the address holds no longer than that is held. */
type Signed = {
  verb: 'PUT' | 'GET'
  experimentId: number
  hash: string
  bytes: number
  expires: number
  writer: Attempt | null
}

const signature = (engine: Engine, s: Signed): string =>
  createHmac('sha256', engine.keys.content)
    .update(`${s.verb} ${s.experimentId} ${s.hash} ${s.bytes} ${s.expires} ${showWriter(s.writer)}`)
    .digest('base64url')

const showWriter = (writer: Attempt | null): string => (writer ? `${writer.jobId}.${writer.attempt}` : '')

const readWriter = (text: string | undefined): Attempt | null => {
  const [, jobId, attempt] = /^(\d{1,15})\.(\d{1,9})$/.exec(text ?? '') ?? []
  return jobId ? { jobId: Number(jobId), attempt: Number(attempt) } : null
}

const signedUrl = (
  engine: Engine,
  verb: 'PUT' | 'GET',
  experimentId: number,
  hash: string,
  bytes: number,
  writer: Attempt | null = null,
): string => {
  const expires = Math.floor(engine.clock().getTime() / 1000) + signedSeconds
  const query = new URLSearchParams({
    e: String(experimentId),
    n: String(bytes),
    x: String(expires),
    ...(writer ? { a: showWriter(writer) } : {}),
    s: signature(engine, { verb, experimentId, hash, bytes, expires, writer }),
  })
  return `/v1/content/${hash}?${query}`
}

/** What a signed address says, once it is known to be ours. */
export const readSigned = (
  engine: Engine,
  verb: 'PUT' | 'GET',
  hash: string,
  query: Record<string, string | undefined>,
): Signed => {
  const numbers = { experimentId: Number(query.e), bytes: Number(query.n), expires: Number(query.x) }
  const signed = { verb, hash, ...numbers, writer: readWriter(query.a) }
  const expected = Buffer.from(signature(engine, signed))
  const given = Buffer.from(query.s ?? '')
  if (given.length !== expected.length || !timingSafeEqual(given, expected))
    throw fault('signature_invalid', 'the signature is wrong')
  if (signed.expires * 1000 < engine.clock().getTime()) throw fault('signature_invalid', 'the address has expired')
  return signed
}

const keyOf = (experimentId: number, hash: string): string => `${experimentId}/${hash.slice(0, 2)}/${hash}`

/** Where to put bytes; nowhere when the tenant has them already. */
export const createBlob = async (
  engine: Engine,
  principal: Principal,
  { hash, bytes, workflowId, ...of }: { hash: string; bytes: number; workflowId?: string } & WriterSaid,
) => {
  if (bytes > engine.limits.maxBlobBytes)
    throw fault('blob_too_large', `${bytes} bytes; the limit is ${engine.limits.maxBlobBytes}`)
  const experimentId = await tenantOf(engine, principal, workflowId)
  const writer = writerOf(principal, of)
  await mustBeHeld(engine, writer, principal.kind === 'pilot' ? principal.queueId : undefined)
  if ((await store.blobBytes(engine.db, experimentId, hash)) !== undefined) return { present: true, url: null }
  return { present: false, url: signedUrl(engine, 'PUT', experimentId, hash, bytes, writer) }
}

type WriterSaid = { jobId?: string; attempt?: number }

/** A payload writes for its attempt, a pilot for the one that it names, a user for himself. */
const writerOf = (principal: Principal, { jobId, attempt }: WriterSaid = {}): Attempt | null => {
  if (principal.kind === 'job') return { jobId: principal.jobId, attempt: principal.attempt }
  if (principal.kind !== 'pilot') return null
  if (!jobId || !attempt) throw fault('forbidden', 'a pilot says for which attempt: jobId, attempt')
  return { jobId: readId('j', jobId)!, attempt }
}

/** An attempt that was given to others cannot write, though it was told where. */
const mustBeHeld = async (engine: Engine, writer: Attempt | null, queueId?: number): Promise<void> => {
  if (!writer) return
  const [held] = await heldOf(engine.db, [writer.jobId])
  const isHeld = held?.attempt === writer.attempt
  if (!isHeld || (queueId !== undefined && (await pilotById(engine.db, held.pilotId))?.queueId !== queueId))
    throw fault('attempt_over', `attempt ${writer.attempt} of ${showId('j', writer.jobId)} is not held`)
}

/** A pilot acts for the tenant whose work it holds: it says for which workflow, and pilots of its queue must hold a job of that. */
const tenantOf = async (engine: Engine, principal: Principal, workflowId: string | undefined): Promise<number> => {
  if (principal.kind !== 'pilot') return experimentOf(principal)
  if (workflowId === undefined) throw fault('forbidden', 'a pilot says for which workflow: workflowId')
  const id = readId('w', workflowId)!
  if (!(await queueHoldsJobOf(engine.db, principal.queueId, id))) throw fault('workflow_unknown')
  return (await engine.workflows.get(id))!.experimentId
}

/** The row comes after the bytes: what the database knows is there. Its attempt may have ended meanwhile: then it does not get to know. */
export const putContent = async (engine: Engine, signed: Signed, content: AsyncIterable<Uint8Array>): Promise<void> => {
  await mustBeHeld(engine, signed.writer)
  await engine.storage.put(keyOf(signed.experimentId, signed.hash), { hash: signed.hash, bytes: signed.bytes }, content)
  await mustBeHeld(engine, signed.writer)
  await store.insertBlob(engine.db, {
    experimentId: signed.experimentId,
    hash: signed.hash,
    bytes: signed.bytes,
    now: engine.clock(),
  })
}

export const getContent = async (engine: Engine, signed: Signed) => {
  const found = await engine.storage.get(keyOf(signed.experimentId, signed.hash))
  if (!found) throw fault('blob_unknown', `nothing under ${signed.hash}`)
  return found
}

export const getBlob = async (engine: Engine, principal: Principal, hash: string, workflowId?: string) => {
  const experimentId = await tenantOf(engine, principal, workflowId)
  const bytes = await store.blobBytes(engine.db, experimentId, hash)
  if (bytes === undefined) throw fault('blob_unknown', `nothing under ${hash}`)
  return { bytes, url: signedUrl(engine, 'GET', experimentId, hash, bytes) }
}

/** Announces sources. The bundle is known once its manifest and all its files are here; until then the answer says what is wanted. */
export const createBundle = async (engine: Engine, principal: Principal, manifest: Manifest) => {
  const experimentId = experimentOf(principal)
  const writer = writerOf(principal)
  const text = manifestText(manifest)
  const bundle = sha256(text)
  if (await store.hasBundle(engine.db, experimentId, bundle)) return { bundle, missing: [] }
  checkSize(manifest)
  checkPaths(manifest.files, 'bundle_invalid')
  const missing = await missingOf(engine, experimentId, writer, manifest.files, 'bundle_invalid')
  if (missing.length === 0) {
    await storeText(engine, experimentId, text)
    await store.insertBundle(engine.db, {
      experimentId,
      hash: bundle,
      files: manifest.files.length,
      now: engine.clock(),
    })
  }
  return { bundle, missing }
}

/** Sources, not data: what is too large is told with what makes it so. */
const checkSize = ({ files }: Manifest): void => {
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0)
  if (bytes <= maxBundleBytes) return
  const largest = files.toSorted((a, b) => b.bytes - a.bytes).slice(0, 5)
  const named = largest.map((file) => `${file.path} (${file.bytes})`).join(', ')
  throw fault('bundle_too_large', `${bytes} bytes; the limit is ${maxBundleBytes}; largest: ${named}`)
}

/** Those of these files that the tenant does not have, and where to put them. */
export const missingOf = async (
  engine: Engine,
  experimentId: number,
  writer: Attempt | null,
  files: Manifest['files'],
  code: 'bundle_invalid' | 'checkpoint_invalid',
): Promise<{ hash: string; url: string }[]> => {
  const wanted = new Map(files.map((file) => [file.hash, file.bytes]))
  const known = await store.knownBlobs(engine.db, experimentId, [...wanted.keys()])
  const present = new Set(known.map((row) => row.hash))
  const lie = known.find(({ hash, bytes }) => wanted.get(hash) !== bytes)
  if (lie) throw fault(code, `what is stored under ${lie.hash} has ${lie.bytes} bytes`)
  return [...wanted]
    .filter(([hash]) => !present.has(hash))
    .map(([hash, bytes]) => ({ hash, url: signedUrl(engine, 'PUT', experimentId, hash, bytes, writer) }))
}

/** Stores a text under its hash, and gives that. */
export const storeText = async (engine: Engine, experimentId: number, text: string): Promise<string> => {
  const hash = sha256(text)
  const content = Buffer.from(text)
  await engine.storage.put(keyOf(experimentId, hash), { hash, bytes: content.length }, one(content))
  await store.insertBlob(engine.db, { experimentId, hash, bytes: content.length, now: engine.clock() })
  return hash
}

/** A path stands among them once, and is a file or a folder. */
export const checkPaths = (files: Manifest['files'], code: 'bundle_invalid' | 'checkpoint_invalid'): void => {
  const paths = new Set(files.map((file) => file.path))
  if (paths.size < files.length) throw fault(code, 'a path stands twice in the manifest')
  for (const path of paths)
    for (let at = path.indexOf('/'); at > 0; at = path.indexOf('/', at + 1))
      if (paths.has(path.slice(0, at))) throw fault(code, `${path.slice(0, at)} is a file and a folder in the manifest`)
}

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}
