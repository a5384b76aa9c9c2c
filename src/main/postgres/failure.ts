import { readdir, readFile, stat, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { fault } from '../../contract/faults.ts'
import type { Fault } from '../../lib/fault.ts'
import type { Place } from './place.ts'

/** How many lines of the log a fault tells. */
const toldLines = 15

/**
 * The fault for a program of PostgreSQL that ended badly, with its last words. A full disk is told apart, also when
 * nothing could be written about it any more.
 * @param output what the program wrote to its standard error; after the collector has begun, the rest is in the log
 * folder
 */
export const postgresFault = async (of: { doing: string; output: string; place: Place }): Promise<Fault> => {
  const { doing, output, place } = of
  const words = [output, /redirecting log output/.test(output) ? await newestLog(place.logDir) : ''].join('\n')
  const told = lastLines(words)
  if (saysFull(told) || (await isFull(place))) {
    return fault(
      'home_disk_full',
      `the disk or quota of ${place.home} ran full while ${doing}: free some space, or set CULM_HOME to another disk\n${told}`,
      {
        path: place.home,
      },
    )
  }
  return fault('postgres_failed', `PostgreSQL failed while ${doing}:\n${told || '(it said nothing)'}`, {
    logDir: place.logDir,
  })
}

/** Shared memory has a file system of its own, which is small in many containers: not the user's disk. */
const saysFull = (text: string): boolean =>
  text
    .split('\n')
    .some((line) => /no space left on device|disk quota exceeded/i.test(line) && !/shared memory/.test(line))

/** The last lines that say something, oldest first. */
export const lastLines = (text: string): string =>
  text
    .split('\n')
    .filter((line) => line.trim() !== '' && !/logging collector process|Future log output/.test(line))
    .slice(-toldLines)
    .join('\n')

const newestLog = async (logDir: string): Promise<string> => {
  const names = (await readdir(logDir).catch(() => [])).filter((name) => name.startsWith('postgres-'))
  const files = await Promise.all(
    names.map(async (name) => ({ path: join(logDir, name), at: (await stat(join(logDir, name))).mtimeMs })),
  )
  const newest = files.sort((a, b) => b.at - a.at)[0]
  const text = newest ? (await readFile(newest.path, 'utf8')).slice(-16_384) : ''
  return text.slice(Math.max(0, text.lastIndexOf('LOG:  starting PostgreSQL')))
}

/** Less than one segment of the write-ahead log (16 MB). */
const isFull = async ({ home }: Place): Promise<boolean> => {
  const { bavail, bsize } = await statfs(home)
  return bavail * bsize < 16 * 2 ** 20
}
