import type { Cli } from './cli.ts'
import { exitCodes } from './errors.ts'

/** One Ctrl-C may come twice: from the terminal, and from a parent that passes it on. What comes within this time is the same, ms. */
const echoMs = 300

/** The first Ctrl-C is for `listener`, the second ends the process at once. @returns how to stop listening. */
export const onInterrupt = (cli: Cli, listener: () => void): (() => void) => {
  let firstAt: number | undefined
  return cli.world.onInterrupt(() => {
    if (firstAt === undefined) {
      firstAt = performance.now()
      listener()
    } else if (performance.now() - firstAt > echoMs) cli.world.exit(exitCodes.interrupted)
  })
}
