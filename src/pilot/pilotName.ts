import { mkdir, readFile, writeFile } from 'node:fs/promises'
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
