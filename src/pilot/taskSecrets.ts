import { chownSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ClaimedTask } from '../contract/pilots.ts'
import { sha256 } from '../lib/digest.ts'
import { Failure, type Outcome } from './failure.ts'
import { type Hidden, hiddenIn, redact } from './redaction.ts'
import type { Skipped } from './runFunction.ts'
import type { As } from './workFolder.ts'

/** The secrets that the jobs of one task get. */
export type TaskSecrets = {
  /** Tells apart what must not share a process. */
  digest: string
  env: Record<string, string>
  files: { name: string; bytes: Buffer; env: string | undefined }[]
  hidden: Hidden
}

const known = new WeakMap<ClaimedTask, TaskSecrets>()

/** Null for tasks that name none, which are most. Throws when one of them could not be given. */
export const secretsOf = (task: ClaimedTask): TaskSecrets | null => {
  if (!task.secrets?.length) return null
  const found = known.get(task) ?? read(task.secrets)
  known.set(task, found)
  return found
}

/** What must not be seen in what the jobs of a task say. Never throws: what was not given cannot be seen. */
export const hiddenOf = (task: ClaimedTask): Hidden => {
  if (!task.secrets?.length) return null
  try {
    return secretsOf(task)!.hidden
  } catch {
    return hiddenIn(task.secrets)
  }
}

const read = (secrets: NonNullable<ClaimedTask['secrets']>): TaskSecrets => {
  const env: Record<string, string> = {}
  const files: TaskSecrets['files'] = []
  for (const { name, value, problem, env: variable, file } of secrets) {
    if (value === null) throw new Failure('user', 'SecretMissing', `the secret ${name} cannot be given: ${problem}`)
    const bytes = Buffer.from(value, 'base64')
    if (file !== undefined) files.push({ name: file, bytes, env: variable })
    else if (variable !== undefined) env[variable] = textOf(name, bytes)
  }
  return { digest: sha256(JSON.stringify(secrets)), env, files, hidden: hiddenIn(secrets) }
}

const textOf = (name: string, bytes: Buffer): string => {
  const text = bytes.toString()
  if (text.includes('\0') || !Buffer.from(text).equals(bytes))
    throw new Failure(
      'user',
      'SecretNotText',
      `the secret ${name} is no text, so it cannot be a variable: ask for it as a file`,
    )
  return text
}

/** Files of secrets for one process: there while a job runs in it, and no longer. The folder is the pilot's, so that nothing can be put in their place. */
export class SecretFiles {
  readonly #folder: string
  readonly #secrets: TaskSecrets
  readonly #as: As

  constructor(folder: string, secrets: TaskSecrets, as: As) {
    this.#folder = folder
    this.#secrets = secrets
    this.#as = as
  }

  /** What the process needs to know of its secrets from its start. */
  get env(): Record<string, string> {
    const { env, files } = this.#secrets
    if (files.length === 0) return env
    const paths = files.flatMap(({ name, env }) => (env === undefined ? [] : [[env, join(this.#folder, name)]]))
    return { ...env, ...(Object.fromEntries(paths) as Record<string, string>), CULM_SECRETS: this.#folder }
  }

  place(): void {
    const { files } = this.#secrets
    if (files.length === 0) return
    mkdirSync(this.#folder, { recursive: true, mode: this.#as ? 0o711 : 0o700 })
    for (const { name, bytes } of files) {
      const path = join(this.#folder, name)
      rmSync(path, { force: true })
      writeFileSync(path, bytes, { mode: 0o600, flag: 'wx' })
      if (this.#as) chownSync(path, this.#as.uid, this.#as.gid)
    }
  }

  /** Takes the files away; the folder stays for the next job, until `remove`. */
  clear(): void {
    if (this.#secrets.files.length === 0) return
    for (const name of readdirSync(this.#folder, { withFileTypes: true }))
      rmSync(join(this.#folder, name.name), { force: true, recursive: true })
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

/** What an attempt says of its end, without the values of its secrets. */
export const withoutSecrets = <T extends Outcome | Skipped>(outcome: T, hidden: Hidden): T => {
  if (hidden === null) return outcome
  const plain = (text: string): string => redact(text, hidden)
  if (outcome.what === 'finished' && 'text' in outcome.value)
    return { ...outcome, value: { text: plain(outcome.value.text) } }
  if (outcome.what !== 'failed') return outcome
  const { type, message, stack } = outcome.error
  return {
    ...outcome,
    error: { type, message: plain(message), ...(stack === undefined ? {} : { stack: plain(stack) }) },
  }
}
