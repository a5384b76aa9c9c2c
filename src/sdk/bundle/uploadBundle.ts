import type { Manifest } from '../../contract/blobs.ts'
import type { Client } from '../../contract/client.ts'
import { fault } from '../../contract/faults.ts'
import { again } from '../scope/values.ts'
import type { Files } from './buildBundle.ts'

/** Rounds of asking what is missing and sending it; the second one normally hears that nothing is. */
const rounds = 5

/** Sends a bundle: its manifest, and those files that the server does not have. */
export const uploadBundle = async (client: Client, manifest: Manifest, files: Files): Promise<void> => {
  const contents = new Map(manifest.files.map(({ path, hash }) => [hash, files.get(path)!]))
  for (let round = 1; round <= rounds; round++) {
    const { missing } = await client.call('createBundle', { body: manifest, repeat: true })
    if (missing.length === 0) return
    await Promise.all(missing.map(({ hash, url }) => again(() => client.put(url, contents.get(hash)!))))
  }
  throw fault('bundle_incomplete', `the server still misses files of the bundle after ${rounds} uploads`)
}
