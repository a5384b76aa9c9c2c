import { randomBytes } from 'node:crypto'
import { mkdir, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fault } from '../contract/faults.ts'
import { messageOf } from '../lib/fault.ts'
import type { SealingKey } from '../lib/sealed.ts'
import type { SecretKeys } from '../ports/secretKeys.ts'
import { writeAtomically } from './atomicFile.ts'
import { isErrno } from './homeFault.ts'

/** Keys of secrets: from CULM_SECRET_KEYS (`ID:BASE64`, comma-separated, newest first), else the files of the home's folder `keys`. */
export const openSecretKeys = (home: string, env: NodeJS.ProcessEnv): SecretKeys =>
  env.CULM_SECRET_KEYS ? givenKeys(env.CULM_SECRET_KEYS) : keyFiles(join(home, 'keys'))

const givenKeys = (text: string): SecretKeys => {
  const keys = text.split(',').map((one) => {
    const [id, key] = one.trim().split(':')
    return keyOf(id ?? '', key ?? '', 'CULM_SECRET_KEYS')
  })
  return {
    all: async () => keys,
    add: async () => {
      throw fault('secret_keys_fixed')
    },
  }
}

/**
 * A file per key, named by its number and a random word: two who add one at once both succeed, and a file that is written is never written again. Read anew at
 * each use, so that a server learns of a key that another process of the home added.
 */
const keyFiles = (folder: string): SecretKeys => {
  const names = async () => (await readdir(folder).catch(orNone)).filter((name) => /^\d{4}\.[0-9a-f]{8}$/.test(name))
  const all = async () =>
    Promise.all(
      (await names())
        .sort()
        .reverse()
        .map(async (name) => keyOf(name, (await readFile(join(folder, name), 'utf8')).trim(), join(folder, name))),
    )
  const add = async () => {
    const newest = (await names()).sort().at(-1)
    const number = String(Number(newest?.slice(0, 4) ?? 0) + 1).padStart(4, '0')
    const id = `${number}.${randomBytes(4).toString('hex')}`
    const key = randomBytes(32)
    await mkdir(folder, { recursive: true, mode: 0o700 })
    await writeAtomically(join(folder, id), `${key.toString('base64')}\n`)
    return { id, key }
  }
  return { all, add }
}

const keyOf = (id: string, text: string, place: string): SealingKey => {
  const key = Buffer.from(text, 'base64')
  if (!/^[A-Za-z0-9._-]{1,60}$/.test(id) || key.length !== 32)
    throw fault('secret_key_missing', `${place}: a key is ID:BASE64 with 32 bytes (openssl rand -base64 32)`)
  return { id, key }
}

const orNone = (error: unknown): string[] => {
  if (isErrno(error, 'ENOENT')) return []
  throw fault('secret_key_missing', `the keys of secrets cannot be read: ${messageOf(error)}`, undefined, error)
}
