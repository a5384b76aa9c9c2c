import pc from 'picocolors'
import type { Output } from '../world.ts'

/** How to write for one output: what its readers can see. */
export type Style = {
  colors: ReturnType<typeof pc.createColors>
  /** Whether more than ASCII can be shown. */
  unicode: boolean
  /** Width to keep to, characters; Infinity when no terminal says so, since what goes into a file or a pipe is not to be cut. */
  columns: number
  /** What ages are told relative to. */
  now: Date
}

export const styleOf = (
  output: Output,
  { env, plain, now }: { env: NodeJS.ProcessEnv; plain: boolean; now: Date },
): Style => ({
  colors: pc.createColors(!plain && wantsColor(output, env)),
  unicode: isUnicode(env),
  columns: output.isTTY ? (output.columns ?? 80) : Number.POSITIVE_INFINITY,
  now,
})

/** https://no-color.org and https://force-color.org: set and not empty. */
const wantsColor = (output: Output, env: NodeJS.ProcessEnv): boolean => {
  if (env.NO_COLOR) return false
  if (env.FORCE_COLOR) return env.FORCE_COLOR !== '0'
  return output.isTTY === true && env.TERM !== 'dumb'
}

/** As POSIX says: the first of the three that is set. None set is what containers have, whose terminals show everything. */
const isUnicode = (env: NodeJS.ProcessEnv): boolean => {
  const locale = env.LC_ALL || env.LC_CTYPE || env.LANG
  return locale === undefined || /utf-?8/i.test(locale)
}
