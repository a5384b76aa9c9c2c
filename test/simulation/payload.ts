import type { AttemptCause } from '../../src/domain/job/causes.ts'

/** What a job does, as it stands in its arguments: all that follows is a function of them and of the number of the attempt. */
export type Nature = {
  /** What it computes with. */
  x: number
  /** How long it runs, ms. */
  ms: number
  /** Attempts up to this one fail, and why. */
  fails?: { until: number; cause: AttemptCause }
  /** It calls others and waits for them: each a task, of so many jobs of that nature. */
  calls?: Nature[][]
  /** It ends without its value, which is posted from outside so long after it began, ms (before it ends, perhaps, or too late), or what went wrong. */
  later?: { seconds: number; postedMs: number; says: 'value' | 'error' }
}

export const always = 1_000_000

export const argsOf = (nature: Nature): string => JSON.stringify({ a: [nature] })
export const natureOf = (args: string): Nature => JSON.parse(args).a[0]

/** Why that attempt fails; undefined when it does not. */
export const failureOf = (nature: Nature, attempt: number): AttemptCause | undefined =>
  nature.fails && attempt <= nature.fails.until ? nature.fails.cause : undefined

/** What it computes: of its own number, and of what its calls gave. */
export const computed = (nature: Nature): number =>
  (nature.calls ?? [])
    .flat()
    .reduce((sum, call) => (sum * 31 + computed(call)) % 1_000_003, (nature.x * 7919) % 1_000_003)

/** The value as it is registered: which attempt gave it is in it. */
export const textOf = (nature: Nature, attempt: number): string => JSON.stringify({ y: computed(nature), attempt })

export const jobsIn = (nature: Nature): number =>
  1 + (nature.calls ?? []).flat().reduce((n, call) => n + jobsIn(call), 0)
