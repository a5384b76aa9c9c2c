import { constants } from 'node:fs'
import { open, readlink, realpath } from 'node:fs/promises'
import { sep } from 'node:path'
import { maxInlineBytes, type Value } from '../contract/base.ts'
import type { Client } from '../contract/client.ts'
import type { Text } from '../contract/runner.ts'
import { sha256 } from '../lib/digest.ts'
import { isFault } from '../lib/fault.ts'
import { type BlobCache, persistently } from './blobCache.ts'
import { Failure } from './failure.ts'
import { type Hidden, redact } from './redaction.ts'
import type { As } from './workFolder.ts'

/** Whose result is stored: the server takes it as long as that attempt is held. */
export type ResultOf = { workflowId: string; jobId: `j${number}`; attempt: number }

/** Values between the server and runners: small ones as they are, large ones by a file here and a blob there. */
export class Values {
  readonly #client: Client
  readonly #blobs: BlobCache
  readonly #as: As

  constructor({ client, blobs, as = null }: { client: Client; blobs: BlobCache; as?: As }) {
    this.#as = as
    this.#client = client
    this.#blobs = blobs
  }

  /** What is here already. */
  ready(value: Value): Text | undefined {
    if ('text' in value) return value
    const file = this.#blobs.ready(value.blob)
    return file === undefined ? undefined : { file }
  }

  async bring(value: Value, workflowId: string): Promise<Text> {
    return 'text' in value ? value : { file: await this.#blobs.fetch(value.blob, workflowId) }
  }

  /** A result that travels as it is. */
  inline(text: Text): Value | undefined {
    return 'text' in text && Buffer.byteLength(text.text) <= maxInlineBytes ? text : undefined
  }

  /** Stores a large result without what is `hidden`, and waits for that while the server is away. */
  async keep(text: Text, jobFolder: string, of: ResultOf, hidden: Hidden): Promise<Value> {
    const bytes = 'text' in text ? Buffer.from(text.text) : await readResult(text.file, jobFolder, this.#as)
    return this.#store(hidden === null ? bytes : Buffer.from(redact(bytes.toString(), hidden)), of)
  }

  async #store(bytes: Buffer, of: ResultOf): Promise<Value> {
    const hash = sha256(bytes)
    try {
      await persistently(async () => {
        const { present, url } = await this.#client.call('createBlob', {
          body: { hash, bytes: bytes.length, ...of, workflowId: of.workflowId as `w${number}` },
          repeat: true,
        })
        if (!present) await this.#client.put(url!, bytes)
      })
    } catch (error) {
      if (isFault(error, 'blob_too_large'))
        throw new Failure('user', error.code, `the result has ${bytes.length} bytes: ${error.message}`)
      throw error
    }
    return { blob: hash, bytes: bytes.length }
  }
}

/**
 * A result must lie in the job's own folder and be its own: a payload cannot have the pilot read other files for it. It is looked at once it is open, since
 * its name may mean another file a moment later.
 */
const readResult = async (path: string, jobFolder: string, as: As): Promise<Buffer> => {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(() => null)
  try {
    const stat = await file?.stat()
    const place = file && (await readlink(`/proc/self/fd/${file.fd}`).catch(() => realpath(path)))
    const isOwn = stat?.isFile() && stat.uid === (as?.uid ?? process.geteuid?.() ?? stat.uid)
    if (!file || !isOwn || !place!.startsWith((await realpath(jobFolder)) + sep))
      throw new Failure('runner', 'ResultMisplaced', `the runner left no result at ${path}`)
    return await file.readFile()
  } finally {
    await file?.close()
  }
}
