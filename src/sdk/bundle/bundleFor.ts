import { readdir, readFile } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'
import type { Client } from '../../contract/client.ts'
import { currentRuntime } from '../runtime.ts'
import type { Address } from './address.ts'
import { type Bundle, buildBundle, type Files, manifestOf } from './buildBundle.ts'
import { uploadBundle } from './uploadBundle.ts'

/** `root` is the folder of the sources on this machine, where they are. */
export type BundledModule = { hash: string; module: string; root?: string }

/**
 * The bundle that has a work, and the work's module in it. Built and uploaded once in a process; a module that is in
 * the bundle of an earlier one needs none of its own. What runs from a bundle calls from that bundle.
 */
export const bundleFor = async (address: Address, client: Client): Promise<BundledModule> => {
  if (address.kind === 'bundled') {
    const { bundle, job } = currentRuntime()!
    // A job's bundle came from the server; a driver's (`culm run`) has yet to go there.
    if (!job) await upload(client, bundle!.hash, async () => filesIn(bundle!.folder))
    return { ...bundle!, module: address.module }
  }
  const bundle = await bundleOf(address.file)
  await upload(client, bundle.hash, async () => bundle.files)
  return { hash: bundle.hash, root: bundle.root, module: bundle.modules.get(address.file)! }
}

/** One build at a time: the next may find its module in the last. */
const bundleOf = (file: string): Promise<Bundle> => {
  const next = last.then(async () => {
    const found = built.find(({ modules }) => modules.has(file))
    if (found) return found
    const bundle = await buildBundle(file)
    built.push(bundle)
    return bundle
  })
  last = next.catch(() => {})
  return next
}
let last: Promise<unknown> = Promise.resolve()
const built: Bundle[] = []

const upload = (client: Client, hash: string, files: () => Promise<Files>): Promise<void> => {
  const key = `${client.url} ${hash}`
  const known = uploads.get(key)
  if (known) return known
  const upload = files().then((found) => uploadBundle(client, manifestOf(found), found))
  uploads.set(key, upload)
  upload.catch(() => uploads.delete(key))
  return upload
}
const uploads = new Map<string, Promise<void>>()

const filesIn = async (folder: string): Promise<Files> => {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  return new Map(
    await Promise.all(
      paths.map(async (path) => [relative(folder, path).split(sep).join('/'), await readFile(path)] as const),
    ),
  )
}
