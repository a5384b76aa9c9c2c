import { createHash, type Hash, randomBytes } from 'node:crypto'
import { chmod, chown, mkdir, readdir, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Client } from '../contract/client.ts'
import { fault } from '../contract/faults.ts'
import { backoffMs } from '../lib/backoff.ts'
import { sleep } from '../lib/clock.ts'
import { isFault } from '../lib/fault.ts'
import type { As } from './workFolder.ts'

type WorkflowId = `w${number}`

/** Who was given a file may take so long until he opens it, ms: younger ones are never thrown out. */
const safeMs = 600_000

/**
 * What was fetched from the server, by hash: values too large to send inline, and files of bundles. Each is fetched once. When there are more than
 * `maxBytes`, those used longest ago go.
 */
export class BlobCache {
  readonly #folder: string
  readonly #client: Client
  readonly #maxBytes: number
  readonly #as: As
  readonly #files = new Map<string, Promise<string>>()
  /** When a file was last known to be there and young, ms. */
  readonly #young = new Map<string, number>()
  #newBytes = 0

  /** `as`: who reads them, when that is another user than this process's. */
  constructor({
    folder,
    client,
    maxBytes = 5e9,
    as = null,
  }: { folder: string; client: Client; maxBytes?: number; as?: As }) {
    this.#as = as
    this.#folder = folder
    this.#client = client
    this.#maxBytes = maxBytes
  }

  /** The path of a file with this content, when it is here for certain, and for long enough. */
  ready(hash: string): string | undefined {
    const since = this.#young.get(hash)
    return since !== undefined && Date.now() - since < safeMs / 2 ? join(this.#folder, hash) : undefined
  }

  /** The path of a file with this content. While the server is away it waits; it throws what the server refuses. */
  fetch(hash: string, workflowId: string): Promise<string> {
    const known = this.#files.get(hash)
    if (known) return known
    const file = this.#find(hash, workflowId as WorkflowId)
    this.#files.set(hash, file)
    // What lies on the disk is looked for there the next time: it may have been thrown out.
    void file.catch(() => {}).then(() => this.#files.delete(hash))
    return file
  }

  async #find(hash: string, workflowId: WorkflowId): Promise<string> {
    const path = join(this.#folder, hash)
    const now = new Date()
    const present = await utimes(path, now, now).then(
      () => true,
      () => false,
    )
    if (!present) await this.#download(hash, workflowId, path)
    this.#young.set(hash, now.getTime())
    return path
  }

  async #download(hash: string, workflowId: WorkflowId, path: string): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 })
    const part = `${path}.${randomBytes(6).toString('hex')}.part`
    try {
      await persistently(() => this.#fetchInto(part, hash, workflowId))
      await chmod(part, 0o400)
      if (this.#as) await letRead(part, this.#as)
      await rename(part, path)
    } finally {
      await rm(part, { force: true })
    }
    this.#newBytes += (await sizeOf(path)).size
    if (this.#newBytes > this.#maxBytes / 10) await this.#tidy()
  }

  /** Piece by piece: a file may be larger than there is memory for. */
  async #fetchInto(part: string, hash: string, workflowId: WorkflowId): Promise<void> {
    const { url } = await this.#client.call('getBlob', { params: { hash }, query: { workflowId } })
    const digest = createHash('sha256')
    await writeFile(part, digesting(digest, await this.#client.read(url)), { mode: 0o600 })
    if (digest.digest('hex') !== hash) throw fault('blob_mismatch', `what came for ${hash} has another hash`)
  }

  async #tidy(): Promise<void> {
    this.#newBytes = 0
    this.#young.clear()
    const names = await readdir(this.#folder)
    const files = await Promise.all(
      names.map(async (name) => ({ path: join(this.#folder, name), ...(await sizeOf(join(this.#folder, name))) })),
    )
    let bytes = files.reduce((sum, file) => sum + file.size, 0)
    for (const file of files.sort((a, b) => a.mtimeMs - b.mtimeMs)) {
      if (bytes <= this.#maxBytes || Date.now() - file.mtimeMs < safeMs) return
      await rm(file.path, { force: true })
      bytes -= file.size
    }
  }
}

async function* digesting(digest: Hash, content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const chunk of content) {
    digest.update(chunk)
    yield chunk
  }
}

const letRead = async (path: string, { gid }: NonNullable<As>): Promise<void> => {
  await chown(path, process.getuid!(), gid)
  await chmod(path, 0o440)
}

const sizeOf = async (path: string): Promise<{ size: number; mtimeMs: number }> => {
  const found = await stat(path).catch(() => null)
  return { size: found?.size ?? 0, mtimeMs: found?.mtimeMs ?? 0 }
}

/** Repeats while the server is away, however long: the client itself gives up in the end. A refusal is thrown. */
export const persistently = async <T>(work: () => Promise<T>): Promise<T> => {
  for (let n = 1; ; n++) {
    try {
      return await work()
    } catch (error) {
      if (!isPassing(error, n)) throw error
      await sleep(backoffMs(n, { baseMs: 50, maxMs: 5000 }))
    }
  }
}

/** A signed address may have expired meanwhile, once or twice; what is not a fault is the network's. */
const isPassing = (error: unknown, n: number): boolean => {
  if (!isFault(error)) return networkCodes.test((error as { code?: string }).code ?? '')
  return (
    ['server_away', 'database_away', 'overloaded'].includes(error.code) || (error.code === 'signature_invalid' && n < 3)
  )
}

const networkCodes = /^(ECONN|EPIPE|ETIMEDOUT|EAI_AGAIN|UND_ERR_(?!ABORTED|INVALID))/
