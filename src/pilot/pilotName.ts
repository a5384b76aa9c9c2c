import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** The name of the pilot of this folder, which outlives its restarts: `fresh` at the first start. Two who start at once agree on one. */
export const pilotName = async (folder: string, fresh: string): Promise<string> => {
  const file = join(folder, 'name')
  await mkdir(folder, { recursive: true, mode: 0o700 })
  try {
    await writeFile(file, `${fresh}\n`, { flag: 'wx', mode: 0o600 })
    return fresh
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    const kept = (await readFile(file, 'utf8')).trim()
    if (kept !== '') return kept
    await writeFile(file, `${fresh}\n`, { mode: 0o600 }) // a crash between making the file and writing it
    return fresh
  }
}

/**
 * The number of a start of the pilot of this folder, larger than all before: the time, ms since 1970, or one more than the last when the clock was set back. Should the
 * file be lost, the clock alone decides.
 */
export const nextStart = async (folder: string, nowMs: number): Promise<number> => {
  const file = join(folder, 'start')
  const last = Number((await readFile(file, 'utf8').catch(() => '')).trim())
  const start = Math.max(nowMs, (Number.isSafeInteger(last) ? last : 0) + 1)
  await writeFile(`${file}.new`, `${start}\n`, { mode: 0o600 })
  await rename(`${file}.new`, file)
  return start
}
