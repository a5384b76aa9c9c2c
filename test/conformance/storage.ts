import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import type { Storage } from '../../src/ports/storage.ts'

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
const expected = (text: string) => ({ hash: sha256(text), bytes: Buffer.byteLength(text) })

async function* parts(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text)
}

const read = async (storage: Storage, key: string): Promise<string | undefined> => {
  const found = await storage.get(key)
  if (!found) return undefined
  const chunks: Uint8Array[] = []
  for await (const chunk of found.content) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

/** What every storage must do; an adapter's test calls this with a way to make an empty one. */
export const conformStorage = (make: () => Promise<Storage>): void => {
  test('what was put is there, whole, with its size', async () => {
    const storage = await make()
    await storage.put('1/ab/key', expected('one two'), parts('one', ' two'))
    expect(await read(storage, '1/ab/key')).toBe('one two')
    expect(await storage.stat('1/ab/key')).toEqual({ bytes: 7 })
  })

  test('one that works says so, and keeps nothing of the question', async () => {
    const storage = await make()
    await expect(storage.check()).resolves.toBeUndefined()
    expect(await storage.stat(`.check.${process.pid}`)).toBeUndefined()
  })

  test('nothing is found where nothing was put', async () => {
    const storage = await make()
    expect(await storage.get('1/no')).toBeUndefined()
    expect(await storage.stat('1/no')).toBeUndefined()
  })

  test.each([
    ['other bytes of the same length', 'two', expected('one')],
    ['fewer bytes', 'on', expected('one')],
    ['more bytes', 'one!', expected('one')],
  ])('%s than were announced are refused, and nothing is left', async (_, text, announced) => {
    const storage = await make()
    await expect(storage.put('1/key', announced, parts(text))).rejects.toMatchObject({ code: 'blob_mismatch' })
    expect(await storage.get('1/key')).toBeUndefined()
  })

  test('content that breaks off leaves nothing', async () => {
    const storage = await make()
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('on')
      throw new Error('the line broke')
    }
    await expect(storage.put('1/key', expected('one'), broken())).rejects.toThrow('the line broke')
    expect(await storage.get('1/key')).toBeUndefined()
  })

  test('the same content may be put twice, also at once, and is removed once', async () => {
    const storage = await make()
    await Promise.all([1, 2, 3].map(() => storage.put('1/key', expected('one'), parts('one'))))
    await storage.remove('1/key')
    await storage.remove('1/key')
    expect(await storage.get('1/key')).toBeUndefined()
  })

  test('a key never leads out of the storage', async () => {
    const storage = await make()
    await expect(storage.put('../out', expected('one'), parts('one'))).rejects.toThrow()
  })
}
