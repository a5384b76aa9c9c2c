import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, mkdirSync, readdirSync, renameSync } from 'node:fs'
import { rm, rmdir } from 'node:fs/promises'

/** The owner of folders and files that a payload may use; null: the user of this pilot. */
export type As = { uid: number; gid: number } | null

/**
 * The working directory of the jobs of one runner: empty when a job starts. One that a job has left empty serves the next too, since making and removing
 * one for each job costs more than a trivial call does otherwise (0.35 ms of 0.8, measured).
 */
export class WorkFolder {
  readonly #prefix: string
  readonly #as: As
  #count = 0
  #path: string | null = null

  /** `prefix`: where its folders lie, and how their names begin. `as`: whose they are. */
  constructor(prefix: string, as: As) {
    this.#prefix = prefix
    this.#as = as
  }

  /** With `prepared`, a folder that holds what a job finds at its start, that one; otherwise an empty one. */
  open(prepared?: string): string {
    if (prepared !== undefined) this.remove()
    if (this.#path === null) {
      const path = `${this.#prefix}.${++this.#count}`
      makeJobFolder(path, this.#as, prepared)
      this.#path = path
    }
    return this.#path
  }

  /** To be called after each job. */
  tidy(): void {
    if (this.#path !== null && !isEmpty(this.#path)) this.remove()
  }

  remove(): void {
    const path = this.#path
    this.#path = null
    if (path !== null) void removeFolder(path, this.#as)
  }
}

export const makeJobFolder = (path: string, as: As, prepared?: string): void => {
  if (prepared !== undefined) {
    renameSync(prepared, path)
    return
  }
  mkdirSync(path, { mode: 0o700 })
  if (as) chownSync(path, as.uid, as.gid)
}

/** Removes what a job left, in its own time; what stays for whatever reason is removed at the next start of the pilot. */
export const removeFolder = async (path: string, as: As): Promise<void> => {
  if (as) await emptyAs(path, as)
  await (as ? rmdir(path) : rm(path, { recursive: true, force: true, maxRetries: 3 })).catch(() => {})
}

/**
 * Another user's folder is emptied by himself: a process of his that still runs could make a link of a folder that is just being emptied, and what is behind
 * it would be removed with the rights of this one.
 */
const emptyAs = async (path: string, as: NonNullable<As>): Promise<void> => {
  const script = 'chmod -R u+rwX . ; find . -mindepth 1 -delete'
  const child = spawn('/bin/sh', ['-c', script], { cwd: path, env: {}, stdio: 'ignore', ...as })
  await once(child, 'exit').catch(() => {})
}

const isEmpty = (path: string): boolean => {
  try {
    return readdirSync(path).length === 0
  } catch {
    return false // the job has removed it, or shut it
  }
}
