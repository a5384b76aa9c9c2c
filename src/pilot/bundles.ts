import { randomBytes } from 'node:crypto'
import { chmod, constants, copyFile, mkdir, readdir, readFile, rename, rm, stat, utimes } from 'node:fs/promises'
import { dirname, join, resolve, sep } from 'node:path'
import { type Manifest, manifest, maxBundleBytes } from '../contract/blobs.ts'
import { messageOf } from '../lib/fault.ts'
import type { BlobCache } from './blobCache.ts'
import { Failure } from './failure.ts'

export const downloadsAtOnce = 8

/** A bundle used within this time is never thrown out, ms: its runner may be about to start. */
const safeMs = 600_000

/** Users' sources, unpacked under `folder/<hash>`: files come from the blob cache, so that of a changed bundle only what changed is fetched. */
export class Bundles {
  readonly #folder: string
  readonly #blobs: BlobCache
  readonly #maxBundles: number
  readonly #inUse: () => Set<string>
  readonly #ready = new Map<string, { folder: string; usedMs: number }>()
  readonly #coming = new Map<string, Promise<string>>()

  /** `inUse` tells which bundles must not be thrown out when there are more than `maxBundles`. */
  constructor({
    folder,
    blobs,
    inUse,
    maxBundles = 100,
  }: { folder: string; blobs: BlobCache; inUse: () => Set<string>; maxBundles?: number }) {
    this.#folder = folder
    this.#blobs = blobs
    this.#inUse = inUse
    this.#maxBundles = maxBundles
  }

  /** The folder of a bundle that is here already. */
  ready(hash: string): string | undefined {
    const found = this.#ready.get(hash)
    if (found) found.usedMs = performance.now()
    return found?.folder
  }

  /** The folder of a bundle, fetched if need be; those who ask at once share one download. */
  async fetch(hash: string, workflowId: string): Promise<string> {
    const coming = this.#coming.get(hash) ?? this.#find(hash, workflowId)
    this.#coming.set(hash, coming)
    try {
      const folder = await coming
      this.#ready.set(hash, { folder, usedMs: performance.now() })
      return folder
    } finally {
      this.#coming.delete(hash)
    }
  }

  async #find(hash: string, workflowId: string): Promise<string> {
    const folder = join(this.#folder, hash)
    const now = new Date()
    if (
      await utimes(folder, now, now).then(
        () => true,
        () => false,
      )
    )
      return folder
    await this.#tidy()
    await this.#unpack(hash, workflowId, folder)
    return folder
  }

  /** Made beside and moved into place, so that a folder of this name is always whole. */
  async #unpack(hash: string, workflowId: string, folder: string): Promise<void> {
    const { files } = readManifest(await readFile(await this.#blobs.fetch(hash, workflowId)))
    const half = `${folder}.${randomBytes(6).toString('hex')}.part`
    try {
      await mkdir(half, { recursive: true, mode: 0o700 })
      await eachAtMost(downloadsAtOnce, files, async (file) =>
        this.#place(await this.#blobs.fetch(file.hash, workflowId), half, file),
      )
      for (const made of foldersOf(files.map((file) => file.path))) await chmod(join(half, made), 0o755)
      await rename(half, folder)
    } finally {
      await rm(half, { recursive: true, force: true })
    }
  }

  /** A copy, never a link: what a payload does to its bundle must not reach the cache. */
  async #place(blob: string, folder: string, { path, bytes }: Manifest['files'][number]): Promise<void> {
    const target = resolve(folder, path)
    // `bundlePath` admits no way out; this would catch a hole in it.
    if (!target.startsWith(folder + sep))
      throw new Failure('bundle', 'BundleUnsafe', `the bundle wants to write outside its folder: ${path}`)
    if ((await stat(blob)).size !== bytes)
      throw new Failure('bundle', 'BundleInvalid', `${path} is not of the size that the manifest says`)
    try {
      await mkdir(dirname(target), { recursive: true })
      await copyFile(blob, target, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE)
    } catch (error) {
      throw isTaken(error) ? clash(path) : error
    }
    await chmod(target, 0o444)
  }

  async #tidy(): Promise<void> {
    const names = await readdir(this.#folder).catch(() => [])
    const inUse = this.#inUse()
    const inHand = (name: string) => performance.now() - (this.#ready.get(name)?.usedMs ?? -safeMs) < safeMs
    const old = names.filter((name) => !inUse.has(name) && !this.#coming.has(name) && !inHand(name))
    const ages = await Promise.all(
      old.map(async (name) => ({ name, at: (await stat(join(this.#folder, name)).catch(() => null))?.mtimeMs ?? 0 })),
    )
    const surplus = ages.sort((a, b) => a.at - b.at).slice(0, Math.max(0, names.length - this.#maxBundles))
    for (const { name } of surplus) {
      this.#ready.delete(name)
      await rm(join(this.#folder, name), { recursive: true, force: true })
    }
  }
}

/** Who may read the bundle is said by the folder that all bundles of its owner lie in. */
const foldersOf = (paths: readonly string[]): Set<string> => {
  const folders = new Set(['.'])
  for (const path of paths)
    for (let at = dirname(path); at !== '.' && !folders.has(at); at = dirname(at)) folders.add(at)
  return folders
}

/** There is something already, or a file where a folder should be. */
const isTaken = (error: unknown): boolean =>
  ['EEXIST', 'EISDIR', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')

/** Names that differ in case alone are one name on some machines. */
const clash = (path: string): Failure =>
  new Failure(
    'bundle',
    'BundleClash',
    `${path} and another file of the bundle are one file on this machine: give one of them a name that differs in more than case`,
  )

/** The manifest comes from a user by way of the server: its paths are checked here too, where they become files. */
const readManifest = (bytes: Buffer): Manifest => {
  try {
    const read = manifest.parse(JSON.parse(bytes.toString()))
    const size = read.files.reduce((sum, file) => sum + file.bytes, 0)
    if (size > maxBundleBytes) throw new Error(`${size} bytes; the limit is ${maxBundleBytes}`)
    return read
  } catch (error) {
    throw new Failure(
      'bundle',
      'BundleInvalid',
      `the manifest of the bundle is not one: ${messageOf(error).slice(0, 1000)}`,
    )
  }
}

/** Runs `work` over all items, `count` at a time. After the first error no more are begun; it is thrown when those under way have ended. */
export const eachAtMost = async <T>(
  count: number,
  items: readonly T[],
  work: (item: T) => Promise<void>,
): Promise<void> => {
  const left = items.values()
  let error: unknown
  const lane = async () => {
    for (const item of left) {
      if (error) return
      await work(item).catch((thrown: unknown) => {
        error ??= thrown
      })
    }
  }
  await Promise.all(Array.from({ length: count }, lane))
  if (error) throw error
}
