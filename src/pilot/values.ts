import { readFile, realpath } from 'node:fs/promises'
import { sep } from 'node:path'
import { maxInlineBytes, type Value } from '../contract/base.ts'
import type { Client } from '../contract/client.ts'
import type { Text } from '../contract/runner.ts'
import { sha256 } from '../lib/digest.ts'
import { isFault } from '../lib/fault.ts'
import { type BlobCache, persistently } from './blobCache.ts'
import { Failure } from './failure.ts'

/** Values between the server and runners: small ones as they are, large ones by a file here and a blob there. */
export class Values {
  readonly #client: Client
  readonly #blobs: BlobCache

  constructor({ client, blobs }: { client: Client; blobs: BlobCache }) {
    this.#client = client
    this.#blobs = blobs
  }

  async bring(value: Value, workflowId: string): Promise<Text> {
    return 'text' in value ? value : { file: await this.#blobs.fetch(value.blob, workflowId) }
  }

  /** A result that travels as it is. */
  inline(text: Text): Value | undefined {
    return 'text' in text && Buffer.byteLength(text.text) <= maxInlineBytes ? text : undefined
  }

  /** Stores a large result, and waits for that while the server is away. A file must lie in the job's own folder: a payload cannot have the pilot read others for it. */
  async keep(text: Text, jobFolder: string): Promise<Value> {
    if ('text' in text) return this.#store(Buffer.from(text.text))
    const file = await realpath(text.file).catch(() => '')
    if (!file.startsWith((await realpath(jobFolder)) + sep))
      throw new Failure('runner', 'ResultMisplaced', `the runner left no result at ${text.file}`)
    return this.#store(await readFile(file))
  }

  async #store(bytes: Buffer): Promise<Value> {
    const hash = sha256(bytes)
    try {
      await persistently(async () => {
        const { present, url } = await this.#client.call('createBlob', {
          body: { hash, bytes: bytes.length },
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
