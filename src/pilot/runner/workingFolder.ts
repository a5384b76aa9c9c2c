import { readdirSync, statSync } from 'node:fs'

/** So long after a change of a folder another one is sure to bear another time: file systems count in steps of some ms. */
const settledMs = 1000

/** An empty folder, and when it was changed last. */
let empty = { folder: '', changedMs: 0 }

/** What a job left would be found by the next one that runs there. A folder that has not changed since it was seen empty is empty. */
export const holdsFiles = (folder: string): boolean => {
  try {
    const changedMs = statSync(folder).mtimeMs
    if (folder === empty.folder && changedMs === empty.changedMs) return false
    if (readdirSync(folder).length > 0) return true
    if (Date.now() - changedMs > settledMs) empty = { folder, changedMs }
    return false
  } catch {
    return true // removed, or shut
  }
}

/** Null when the folder of the job before, which it left things in, is gone already. */
export const whereWeAre = (): string | null => {
  try {
    return process.cwd()
  } catch {
    return null
  }
}
