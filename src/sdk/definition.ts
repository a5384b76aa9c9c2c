import type { z } from 'zod'
import type { needs } from '../contract/tasks.ts'
import type { CallSite } from './bundle/callSite.ts'
import type { EnvironmentOptions } from './environment.ts'

/** A function of any shape. */
export type AnyFunction = (...args: never[]) => unknown

/**
 * What a work is: the function, where it was defined, and what its author asked for. One object per `work(…)`, shared
 * by all of its `with(…)`.
 */
export type Definition = { fn: AnyFunction; site: CallSite; options: WorkOptions }

type Need<K extends keyof typeof needs> = z.input<(typeof needs)[K]>

export type WorkOptions = EnvironmentOptions & {
  /** What people see it called; the name of its export when left out. */
  name?: string
  /** Name of the queue to run in; the broker chooses when left out. */
  queue?: Need<'queue'>
  /** Name of the site to run at, in any queue of it; any site when left out. */
  site?: Need<'site'>
  /** 1 when left out. */
  cores?: Need<'cores'>
  /** Limit over the whole process group, MB (10^6 bytes). */
  memoryMb?: Need<'memoryMb'>
  /** GPUs of each job, its own while it runs: CUDA_VISIBLE_DEVICES and HIP_VISIBLE_DEVICES name them. 0 when left out. */
  gpus?: Need<'gpus'>
  /** Limit of one attempt, s. */
  wallSeconds?: Need<'wallSeconds'>
  /** 0 to 8000; 1000 when left out. */
  priority?: Need<'priority'>
  /**
   * How many attempts a job may have by the cause of their failure: `{ user: 1, site: 3, lost: 5 }` when left out. A
   * number is for those that fail by an error of their own (`user`). `memory` (over its limit), `walltime` (over its
   * time) and `runner` (its process died) are counted among those, unless they are named.
   */
  attempts?: Need<'attempts'> | number
  /** How long a pilot may be silent before its jobs go to others, s. */
  lostAfterSeconds?: Need<'lostAfterSeconds'>
  /**
   * Secrets of yours (`culm secret set NAME`) that its jobs get: each as variable `env`, as `file` in the folder
   * `$CULM_SECRETS`, or both (the variable is its path then): `[{ name: 'db-password', env: 'DB_PASSWORD' }]`.
   */
  secrets?: Need<'secrets'>
  /**
   * Calls take stored results of yours of the same code, arguments and environment instead of running, and store theirs. For works whose result depends on
   * nothing else. `culm explain` says which part was other.
   */
  cache?: boolean
  /** Labels to filter and report by. */
  labels?: Record<string, string>
}

export type UseOptions = WorkOptions & {
  /** Calls and maps (or ids of tasks) that must be done before this runs; when one of them fails, this is cancelled. */
  after?: readonly After[]
}

/** What a task is asked for, as the server is told; where it runs belongs to its payload (`environmentOf`). */
export const needsOf = <O extends Pick<WorkOptions, 'attempts' | keyof EnvironmentOptions>>({
  attempts,
  requirements,
  conda,
  initEnv,
  cleanEnv,
  postScript,
  image,
  ...rest
}: O) => ({
  ...rest,
  ...(attempts === undefined ? {} : { attempts: typeof attempts === 'number' ? { user: attempts } : attempts }),
})

export type After = string | { readonly taskId: PromiseLike<string> }
