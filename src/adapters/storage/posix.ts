import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, open, rename, rm, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { fault } from '../../contract/faults.ts'
import type { Storage } from '../../ports/storage.ts'

/**
 * Bytes in a local folder. Written beside their place, synced, compared with their hash, and renamed into place: a reader sees all or nothing, also
 * after a power cut.
 */
export const posixStorage = (folder: string): Storage => {
  const placeOf = (key: string): string => {
    const place = path.resolve(folder, key)
    if (!place.startsWith(path.resolve(folder) + path.sep))
      throw fault('internal', `the key ${key} leads out of the storage`)
    return place
  }

  return {
    name: 'posix',

    put: async (key, expected, content) => {
      const place = placeOf(key)
      const part = `${place}.${process.pid}.${Math.random().toString(36).slice(2)}.part`
      try {
        await makeFolder(path.dirname(place))
        await writeChecked(part, expected, content)
        await rename(part, place)
      } catch (error) {
        await rm(part, { force: true })
        if (isFull(error)) throw fault('storage_full', `no room for ${expected.bytes} bytes`, undefined, error)
        throw error
      }
    },

    get: async (key) => {
      const found = await statOf(placeOf(key))
      return found && { ...found, content: createReadStream(placeOf(key)) }
    },

    stat: (key) => statOf(placeOf(key)),

    remove: (key) => rm(placeOf(key), { force: true }),

    check: async () => {
      const probe = path.join(folder, `.check.${process.pid}`)
      try {
        await makeFolder(folder)
        await writeFile(probe, 'written')
      } catch (error) {
        if (isFull(error)) throw fault('storage_full', 'the storage has no room', undefined, error)
        throw error
      } finally {
        await rm(probe, { force: true }).catch(() => {})
      }
    },
  }
}

/** Node's recursive mkdir says ENOENT of a disk that has no room for a folder (seen with Node 20 on ext4). */
const makeFolder = (folder: string): Promise<unknown> =>
  mkdir(folder, { recursive: true }).catch((error) => {
    throw error.code === 'ENOENT' ? Object.assign(error, { code: 'ENOSPC' }) : error
  })

const isFull = (error: unknown): boolean => ['ENOSPC', 'EDQUOT'].includes((error as NodeJS.ErrnoException).code ?? '')

const writeChecked = async (
  file: string,
  expected: { hash: string; bytes: number },
  content: AsyncIterable<Uint8Array>,
): Promise<void> => {
  const digest = createHash('sha256')
  let bytes = 0
  const handle = await open(file, 'wx', 0o600)
  try {
    for await (const chunk of content) {
      bytes += chunk.length
      if (bytes > expected.bytes)
        throw fault('blob_mismatch', `more than the ${expected.bytes} bytes that were announced`)
      digest.update(chunk)
      await handle.write(chunk)
    }
    if (bytes !== expected.bytes) throw fault('blob_mismatch', `${bytes} bytes came, ${expected.bytes} were announced`)
    if (digest.digest('hex') !== expected.hash) throw fault('blob_mismatch', 'the SHA-256 of what came is another')
    await handle.sync()
  } finally {
    await handle.close()
  }
}

const statOf = async (file: string): Promise<{ bytes: number } | undefined> => {
  try {
    return { bytes: (await stat(file)).size }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
