import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import type { Environment } from '../contract/environments.ts'
import { fault } from '../contract/faults.ts'
import { messageOf } from '../lib/fault.ts'

/** Where jobs run (docs/guide/environments.md). An empty text switches off what the workflow or the queue says. */
export type EnvironmentOptions = {
  /**
   * Packages: a lock file of pip, by its path as seen from the file of the work, or by its text. Installed once where the jobs run, and kept. A work that is called
   * by jobs needs the text: they do not have the file.
   */
  requirements?: string
  /** The same, by an explicit lock file of conda. */
  conda?: string
  /** Shell lines that are run before; the last one, if it is a program, is what the function is started with: `'source /cvmfs/…/setup.sh; apptainer exec img'`. */
  initEnv?: string
  /** Shell lines that are run after each job in the shell of `initEnv`. */
  cleanEnv?: string
  /** A script that is run after each job where that ran. */
  postScript?: string
  /** What it runs in: an image of a registry, a file or an unpacked folder by its full path, or `host`. */
  image?: string
}

/** As the server is told it, with the texts of lock files; undefined when nothing is said. `folder`: where these are looked for, if there is such a place. */
export const environmentOf = async (
  { requirements, conda, initEnv, cleanEnv, postScript, image }: EnvironmentOptions,
  folder: string | undefined,
): Promise<Environment | undefined> => {
  const plain = { initEnv, cleanEnv, postScript, image }
  const said = [requirements, conda, ...Object.values(plain)].some((value) => value !== undefined)
  if (!said) return undefined
  return {
    requirements: await lockText('requirements', requirements, folder),
    conda: await lockText('conda', conda, folder),
    ...plain,
  }
}

/** Beside the file of a work; a job has none. */
export const folderOf = (file: string | undefined): string | undefined => file && dirname(file)

/** The text of a lock file names versions, or has several lines; no path does. */
const isPath = (value: string): boolean => value !== '' && !value.includes('\n') && !value.includes('==')

const lockText = async (name: string, value: string | undefined, folder: string | undefined) => {
  if (value === undefined || !isPath(value)) return value
  const refused = (why: string) => fault('environment_invalid', `${name} "${value}": ${why}`)
  if (folder === undefined) throw refused('a job has no such file: give its text to works that jobs call')
  const path = resolve(folder, value)
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw refused(`${path} cannot be read: ${messageOf(error)}`)
  }
}
