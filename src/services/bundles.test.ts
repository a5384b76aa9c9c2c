import { beforeAll, expect, test } from 'vitest'
import { startTestServer, type TestServer } from '../../test/support/server.ts'
import { type Manifest, manifestText, maxBundleBytes } from '../contract/blobs.ts'
import { sha256 } from '../lib/digest.ts'

let server: TestServer
beforeAll(async () => {
  server = await startTestServer()
})

const manifestOf = (files: Record<string, string>): Manifest => ({
  version: 1,
  language: 'python',
  files: Object.entries(files).map(([path, text]) => ({ path, hash: sha256(text), bytes: Buffer.byteLength(text) })),
})

const announce = (body: Manifest) => server.user.call('createBundle', { body })

/** Sends what the server says it lacks; gives the contents that went. */
const send = async (files: Record<string, string>): Promise<string[]> => {
  const { missing } = await announce(manifestOf(files))
  const byHash = new Map(Object.values(files).map((text) => [sha256(text), text]))
  const sent = missing.map(({ hash }) => byHash.get(hash)!)
  for (const { hash, url } of missing) await server.user.put(url, Buffer.from(byHash.get(hash)!))
  return sent.sort()
}

test('of sources that were sent before only what changed is wanted, and content that stands twice once', async () => {
  const files = { 'a.py': 'a', 'same/a.py': 'a', 'b.py': 'b' }
  expect(await send(files)).toEqual(['a', 'b'])
  expect(await announce(manifestOf(files))).toEqual({ bundle: sha256(manifestText(manifestOf(files))), missing: [] })
  expect(await send({ ...files, 'b.py': 'other', 'moved.py': 'b' })).toEqual(['other'])
  expect(await send(files)).toEqual([])
})

test('a bundle that is too large is refused with the names of its largest files, before anything of it is sent', async () => {
  const { files, ...rest } = manifestOf({ 'small.py': 'x', 'huge.bin': 'y', 'large.bin': 'z' })
  files[1]!.bytes = maxBundleBytes
  files[2]!.bytes = 1000
  await expect(announce({ ...rest, files })).rejects.toMatchObject({
    code: 'bundle_too_large',
    message: expect.stringMatching(/largest: huge\.bin \(50000000\), large\.bin \(1000\), small\.py \(1\)$/),
  })
})

test('a manifest that lies about the size of what is here is refused', async () => {
  await send({ 'lie.py': 'four' })
  const { files, ...rest } = manifestOf({ 'lie.py': 'four' })
  await expect(announce({ ...rest, files: [{ ...files[0]!, bytes: 3 }] })).rejects.toMatchObject({
    code: 'bundle_invalid',
    message: expect.stringContaining('has 4 bytes'),
  })
})
