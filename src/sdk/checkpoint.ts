import { existsSync, readFileSync } from 'node:fs'
import { currentRuntime } from './runtime.ts'

/** Whose files are kept, and how the server is reached. */
export type KeepingJob = { jobId: string; serverUrl: string; token: string; folder: string; restored: boolean }

/**
 * Keeps a file or folder of the job's working folder as it is now: should the job have to be run again, its next
 * attempt finds it at the same place, wherever it runs. It resolves when the server has it; the one before counts until
 * then, and no longer. What has not changed since is not sent again. While the server is away it waits.
 *
 * In a work, and in a command that runs in a folder of its own; elsewhere it only looks whether there is such a file.
 */
export const checkpoint = async (path: string): Promise<void> => {
  if (typeof path !== 'string') throw new TypeError(`path is of type ${typeof path}, and must be text`)
  const { filesToKeep, keepFiles } = await import('./keepFiles.ts')
  const job = keepingJob()
  const files = await filesToKeep(job?.folder ?? process.cwd(), path)
  if (job) await keepFiles(job, files)
}

/** Whether what an earlier attempt has kept lies in the working folder. */
export const restored = (): boolean => keepingJob()?.restored ?? false

const keepingJob = (): KeepingJob | undefined => {
  const { job, serverUrl, folder, restored = false } = currentRuntime() ?? {}
  if (job && serverUrl && folder) return { jobId: job.jobId, token: job.token, serverUrl, folder, restored }
  return jobOfCommand()
}

/** A command is told by a file, which is there as long as it runs. */
const jobOfCommand = (): KeepingJob | undefined => {
  const { CULM_JOB_FILE: file } = process.env
  return file && existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as KeepingJob) : undefined
}
