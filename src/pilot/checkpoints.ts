import { chmod, chown, constants, copyFile, mkdir, readdir, readFile } from 'node:fs/promises'
import { dirname, join, resolve, sep } from 'node:path'
import { type CheckpointManifest, checkpointManifest } from '../contract/blobs.ts'
import { messageOf } from '../lib/fault.ts'
import type { Attempt } from './attempt.ts'
import type { BlobCache } from './blobCache.ts'
import { downloadsAtOnce, eachAtMost } from './bundles.ts'
import { Failure } from './failure.ts'
import { unlessStopped } from './unlessStopped.ts'
import { type As, removeFolder } from './workFolder.ts'

/**
 * What earlier attempts of jobs have kept, laid out for the next. A folder is filled where no payload can reach, so that none can lead us elsewhere by a link, and
 * is its user's only when it is whole; then it is moved to where its job runs.
 */
export class Checkpoints {
  readonly #folder: string
  readonly #blobs: BlobCache
  readonly #as: As
  #count = 0

  /** `folder`: this pilot's own, on the file system of the working directories. `as`: whose those are. */
  constructor({ folder, blobs, as = null }: { folder: string; blobs: BlobCache; as?: As }) {
    this.#folder = folder
    this.#blobs = blobs
    this.#as = as
  }

  /** A folder that holds what an earlier attempt has kept; undefined when none has kept anything. */
  async prepare(attempt: Attempt): Promise<string | undefined> {
    const { checkpoint } = attempt.job
    if (checkpoint === undefined) return undefined
    const folder = join(this.#folder, `${attempt.key.replace(':', '.')}.${++this.#count}`)
    const prepared = this.#fill(folder, checkpoint, attempt.task.workflowId)
    try {
      await unlessStopped(attempt, prepared)
      return folder
    } catch (error) {
      void prepared.catch(() => {}).then(() => removeFolder(folder, null))
      throw error
    }
  }

  async #fill(folder: string, checkpoint: string, workflowId: string): Promise<void> {
    const { files } = readManifest(await readFile(await this.#blobs.fetch(checkpoint, workflowId)))
    await mkdir(folder, { recursive: true, mode: 0o700 })
    await eachAtMost(downloadsAtOnce, files, async ({ path, hash }) =>
      place(await this.#blobs.fetch(hash, workflowId), folder, path),
    )
    if (this.#as) await giveTo(folder, this.#as)
  }
}

/** A copy, never a link: the job may go on writing into it. */
const place = async (blob: string, folder: string, path: string): Promise<void> => {
  const target = resolve(folder, path)
  // `bundlePath` admits no way out; this would catch a hole in it.
  if (!target.startsWith(folder + sep))
    throw new Failure('storage', 'CheckpointUnsafe', `the checkpoint wants to write outside its folder: ${path}`)
  await mkdir(dirname(target), { recursive: true, mode: 0o700 })
  await copyFile(blob, target, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE)
  await chmod(target, 0o600)
}

/** From the innermost outwards: as long as the outermost is ours, nobody else is in there. */
const giveTo = async (folder: string, as: NonNullable<As>): Promise<void> => {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) await giveTo(path, as)
    else await chown(path, as.uid, as.gid)
  }
  await chown(folder, as.uid, as.gid)
}

/** The manifest comes from a payload by way of the server: its paths are checked here too, where they become files. */
const readManifest = (bytes: Buffer): CheckpointManifest => {
  try {
    return checkpointManifest.parse(JSON.parse(bytes.toString()))
  } catch (error) {
    const why = messageOf(error).slice(0, 1000)
    throw new Failure('storage', 'CheckpointInvalid', `the manifest of the checkpoint is not one: ${why}`)
  }
}
