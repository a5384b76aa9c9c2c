import { chownSync, rmSync, writeFileSync } from 'node:fs'
import type { As } from './workFolder.ts'

/** What a command reads there, by the SDKs: who it is, and how it reaches the server to keep checkpoints. */
export type JobFileContent = {
  jobId: string
  attempt: number
  serverUrl: string
  token: string
  folder: string
  restored: boolean
}

/** A file and no variable, since commands print those. It lies where secrets do. */
export class JobFile {
  readonly #path: string

  constructor(path: string, content: JobFileContent, as: As) {
    this.#path = path
    writeFileSync(path, JSON.stringify(content), { mode: 0o600, flag: 'wx' })
    if (as) chownSync(path, as.uid, as.gid)
  }

  get env(): Record<string, string> {
    return { CULM_JOB_FILE: this.#path }
  }

  remove(): void {
    rmSync(this.#path, { force: true })
  }
}
