import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { fault } from '../../contract/faults.ts'
import { type Runtime, setRuntime } from '../runtime.ts'
import { buildBundle } from './buildBundle.ts'

export type LoadedBundle = {
  /** What the file exports; works and workflows among it may be called. */
  exports: Record<string, unknown>
  bundle: { hash: string; folder: string }
  /** Removes the folder; call it when nothing of the file runs any more. */
  remove(): Promise<void>
}

export type LoadOptions = {
  /** Where its calls go; looked up as any program does when left out. */
  server?: { url: string; token: string | null }
  /** Which program this is; a new one when left out. */
  run?: Runtime['run']
  /** Is told of each workflow that it starts: what to show, and to cancel when the user breaks off. */
  opened?: Runtime['opened']
}

/**
 * Compiles a file (TypeScript or JavaScript) and imports the result into this process, as a driver whose works come
 * from that bundle: `culm run FILE` without a compiler of the user's own.
 * @throws `bundle_failed`, and whatever the file throws when it is imported.
 */
export const loadBundled = async (file: string, { server, run, opened }: LoadOptions = {}): Promise<LoadedBundle> => {
  const path = await realpath(resolve(file)).catch((error) => {
    throw fault('bundle_failed', `${file} cannot be read: ${error.message}`)
  })
  const { hash, files, modules, root } = await buildBundle(path)
  // A folder of this process alone: what is imported from it runs with the rights of its user. Its real path, as
  // modules will name it.
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'culm-')))
  for (const [name, content] of files) {
    await mkdir(dirname(join(folder, name)), { recursive: true })
    await writeFile(join(folder, name), content)
  }
  const bundle = { hash, folder, root }
  setRuntime({ bundle, run, opened, serverUrl: server?.url, token: server?.token ?? undefined })
  process.setSourceMapsEnabled(true)
  const exports = await import(pathToFileURL(join(folder, modules.get(path)!)).href)
  return { exports, bundle, remove: () => rm(folder, { recursive: true, force: true }) }
}
