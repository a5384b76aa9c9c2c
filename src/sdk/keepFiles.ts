import { createHash } from 'node:crypto'
import { createReadStream, type Dirent } from 'node:fs'
import { readdir, realpath, stat } from 'node:fs/promises'
import { basename, dirname, join, relative, resolve, sep } from 'node:path'
import type { CheckpointManifest } from '../contract/blobs.ts'
import { type Client, type Content, makeClient } from '../contract/client.ts'
import { fault } from '../contract/faults.ts'
import { isFault } from '../lib/fault.ts'
import type { KeepingJob } from './checkpoint.ts'

/** Files on this machine by their paths in the working folder. */
type Files = Map<string, string>

/**
 * Rounds of asking what is missing and sending it. The second one normally hears that nothing is; with files that take
 * hours there are more, since addresses hold for an hour.
 */
const rounds = 20

/** The file, or the files of the folder, at `path` of the working folder. Links to files are the files that they lead to. */
export const filesToKeep = async (workFolder: string, path: string): Promise<Files> => {
  const folder = await realpath(workFolder)
  const wanted = resolve(folder, path)
  const place = wanted === folder ? folder : join(await realOf(dirname(wanted), path), basename(wanted))
  if (place !== folder && !place.startsWith(folder + sep))
    throw fault('checkpoint_invalid', `${path} does not lie in the working folder of the job (${folder})`)
  const found = await stat(place).catch(() => null)
  if (!found) throw noSuch(path)
  const files: Files = new Map()
  const add = (file: string) => files.set(relative(folder, file).split(sep).join('/'), file)
  if (found.isFile()) add(place)
  else if (found.isDirectory()) for await (const file of filesBelow(place)) add(file)
  else throw notPlain(path)
  return files
}

async function* filesBelow(folder: string): AsyncGenerator<string> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) yield* filesBelow(path)
    else if (await isPlainFile(entry, path)) yield path
    else throw notPlain(path)
  }
}

const isPlainFile = async (entry: Dirent, path: string): Promise<boolean> =>
  entry.isFile() || (entry.isSymbolicLink() && ((await stat(path).catch(() => null))?.isFile() ?? false))

const realOf = (folder: string, path: string): Promise<string> =>
  realpath(folder).catch(() => {
    throw noSuch(path)
  })

const noSuch = (path: string) => fault('checkpoint_invalid', `there is no ${path} in the working folder of the job`)
const notPlain = (path: string) =>
  fault('checkpoint_invalid', `${path} is no plain file: links to folders, sockets and devices cannot be kept`)

/** Sends what the server does not have of these files, and has them registered for the next attempt of the job. */
export const keepFiles = async ({ jobId, serverUrl, token }: KeepingJob, files: Files): Promise<void> => {
  const client = makeClient({ url: serverUrl, token, retrySeconds: Number.POSITIVE_INFINITY })
  try {
    const manifest = await manifestOf(files)
    for (let round = 1; round <= rounds; round++) {
      const { kept, missing } = await client.call('keepCheckpoint', {
        params: { id: jobId as `j${number}` },
        body: manifest,
        repeat: true,
      })
      if (kept) return
      for (const { hash, url } of missing) if (!(await send(client, manifest, files, hash, url))) break
    }
    throw fault('bundle_incomplete', `the server still misses files of the checkpoint after ${rounds} uploads`)
  } finally {
    await client.close()
  }
}

/** False when the address holds no longer. */
const send = async (
  client: Client,
  manifest: CheckpointManifest,
  files: Files,
  hash: string,
  url: string,
): Promise<boolean> => {
  const { path, bytes } = manifest.files.find((file) => file.hash === hash)!
  try {
    await client.put(url, bytes === 0 ? new Uint8Array() : contentOf(files.get(path)!, bytes))
    return true
  } catch (error) {
    if (isFault(error, 'signature_invalid')) return false
    const hasChanged =
      isFault(error, 'blob_mismatch') || (error as { code?: string }).code === 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH'
    throw hasChanged ? fault('checkpoint_invalid', `${path} was changed while it was kept`, undefined, error) : error
  }
}

/** No more than was hashed: a log may have grown since. */
const contentOf = (file: string, bytes: number): Content => ({
  bytes,
  open: () => createReadStream(file, { end: bytes - 1 }),
})

/** Files are read piece by piece: they may be larger than there is memory for. */
const manifestOf = async (files: Files): Promise<CheckpointManifest> => {
  const entries: CheckpointManifest['files'] = []
  for (const [path, file] of files) {
    const digest = createHash('sha256')
    let bytes = 0
    for await (const chunk of createReadStream(file)) {
      digest.update(chunk)
      bytes += chunk.length
    }
    entries.push({ path, hash: digest.digest('hex'), bytes })
  }
  return { version: 1, files: entries }
}
