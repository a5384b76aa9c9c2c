import { readFile } from 'node:fs/promises'
import { type Manifest, maxBundleBytes } from '../../contract/blobs.ts'
import { fault } from '../../contract/faults.ts'
import { credentialIn } from './credentials.ts'
import { ignoreFilesOf } from './ignore.ts'

/** More files than any program has that was not bundled by mistake. */
const maxBundleFiles = 2000

/** A source of the user's own that went into a bundle: its path, and that of one that imports it. */
export type UsedSource = { file: string; importedBy?: string }

/**
 * Refuses sources that must not travel.
 * @throws `bundle_failed` for what `.culmignore` leaves out, `bundle_has_credentials` with the names of the files.
 */
export const checkSources = async (sources: readonly UsedSource[]): Promise<void> => {
  const found: string[] = []
  for (const { file, importedBy } of sources) {
    const { ignored, path } = ignoreFilesOf(file)
    const line = ignored.lineFor(path)
    if (line && importedBy)
      throw fault(
        'bundle_failed',
        `${ignoreFilesOf(importedBy).path} imports ${path}, which is left out by ${line.file}, line ${line.line}: take one of the two away`,
      )
    const says = credentialIn(path, await readFile(file))
    if (says) found.push(`${path} (${says})`)
  }
  if (found.length > 0)
    throw fault('bundle_has_credentials', `these hold credentials, and nothing was sent: ${found.sort().join(', ')}`)
}

/** @throws `bundle_too_large` with the largest files and the fullest folders. */
export const checkSize = ({ files }: Manifest): void => {
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0)
  if (files.length <= maxBundleFiles && bytes <= maxBundleBytes) return
  const largest = files.toSorted((a, b) => b.bytes - a.bytes).slice(0, 5)
  const folders = new Map<string, number>()
  for (const { path } of files) {
    const folder = path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : '.'
    folders.set(folder, (folders.get(folder) ?? 0) + 1)
  }
  const fullest = [...folders].sort((a, b) => b[1] - a[1]).slice(0, 5)
  const mb = (n: number) => `${(n / 1e6).toFixed(1)} MB`
  const listed = {
    largest: largest.map((file) => `${file.path} (${mb(file.bytes)})`).join(', '),
    fullest: fullest.map(([folder, n]) => `${folder} (${n})`).join(', '),
  }
  throw fault(
    'bundle_too_large',
    `the sources are ${files.length} files of ${mb(bytes)}, more than ${maxBundleFiles} files of ${maxBundleBytes / 1e6} MB; largest: ${listed.largest}; fullest: ${listed.fullest}`,
  )
}
