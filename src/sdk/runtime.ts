/**
 * What a process that runs payloads tells the SDK, and what the SDK tells it. The two meet through well-known symbols
 * only, since each may come from its own copy of this code: the runner from the pilot, the SDK from the bundle.
 */

/** On a work or workflow object: its `Definition`. A runner calls `definition.fn`. */
export const workMark = Symbol.for('culm.work')

/** On a workflow object, beside `workMark`. */
export const workflowMark = Symbol.for('culm.workflow')

const runtimeKey = Symbol.for('culm.runtime')

export type Runtime = {
  /** The job that this process runs now; none in a driver that was loaded from a bundle (`culm run`). */
  job?: { jobId: string; taskId: string; workflowId: string; index: number; attempt: number; token: string }
  /** Where the calls of the job go; a driver without it looks for its server as every program does. */
  serverUrl?: string
  /** Goes with `serverUrl` in a driver; a job has its own token. */
  token?: string
  /** The bundle that the modules of this process come from; `root`, where its sources are, in a driver. */
  bundle?: { hash: string; folder: string; root?: string }
  /** In a driver: which program this is, for who starts it again (`culm run --continue`). */
  run?: { id: string; program: string; acceptCode?: boolean }
  /** In a driver: a workflow was started for a workflow function, or for calls outside any. */
  opened?(workflow: { workflowId: string; kind: 'function' | 'job' | 'session' }): void
  /** The working folder of the job, and whether what an earlier attempt has kept lies in there. */
  folder?: string
  restored?: boolean
  /** Tells numbers by name at a step. */
  report?(step: number, values: Record<string, number>): void
  progress?(progress: { done: number; total?: number; text?: string }): void
  /** Until the limit of this attempt, s. */
  remainingSeconds?(): number | undefined
  /** Says that the job waits for calls of its own and for nothing else: its slot may go to others. */
  awaiting?(): void
  /** Asks for a slot again; resolves when there is one. */
  woken?(): Promise<void>
  /** A module is being imported to look a work up: no calls now. */
  importing?: boolean
}

const home = globalThis as { [runtimeKey]?: Runtime }

export const currentRuntime = (): Runtime | undefined => home[runtimeKey]

export const setRuntime = (runtime: Runtime): void => {
  home[runtimeKey] = runtime
}
