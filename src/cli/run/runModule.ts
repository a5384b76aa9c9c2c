import { rmSync } from 'node:fs'
import { relative } from 'node:path'
import { encodeValue } from '../../contract/values.ts'
import { type LoadedBundle, loadBundled } from '../../sdk/bundle/loadBundled.ts'
import { cancel } from '../cancel.ts'
import type { Cli } from '../cli.ts'
import { asFault, exitCodes, reportError, UsageError } from '../errors.ts'
import { onInterrupt } from '../interrupts.ts'
import { showValue } from '../look/values.ts'
import { type Follower, openFollower } from '../progress/follower.ts'
import { interpose } from '../progress/live.ts'
import { tellDrivenWorkflows } from './drivenWorkflows.ts'
import { entryOf } from './entry.ts'
import type { RunOptions } from './run.ts'

type Ended = { state: 'done'; value: unknown } | { state: 'failed'; error: unknown } | { state: 'cancelled' }

/** Runs a function of a TypeScript or JavaScript file in this process, which is then the driver of its workflow. */
export const runModule = async (cli: Cli, path: string, args: string[], options: RunOptions): Promise<void> => {
  const client = await cli.client()
  await client.call('me')
  const ownOutput = cli.json ? printsToStderr(cli) : () => {}
  const follower = openFollower(cli, client)
  const stopTelling = tellDrivenWorkflows(client.url, follower.add)
  let loaded: LoadedBundle | undefined
  const run = async (): Promise<Ended> => {
    loaded = await loadBundled(path, await cli.server())
    const entry = entryOf(loaded.exports, options.export, relative(cli.world.cwd, path))
    return { state: 'done', value: await entry.run(...args.map(argument)) }
  }
  const [interrupted, stopListening] = interruption(cli, follower)
  const ended = await Promise.race([interrupted, run().catch((error): Ended => ({ state: 'failed', error }))])
  stopTelling()
  await follower.end()
  stopListening()
  ownOutput()
  tellEnd(cli, ended, follower.ids[0])
  if (loaded) rmSync(loaded.bundle.folder, { recursive: true, force: true })
  // What the function still waits for would keep the process.
  if (ended.state === 'cancelled') cli.world.exit(exitCodes.interrupted)
}

/** JSON when it is JSON: `3`, `"a"`, `[1, 2]`; any other text is itself. */
const argument = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

/** Ctrl-C cancels what was started; it resolves when the server knows. */
const interruption = (cli: Cli, follower: Follower): [Promise<Ended>, () => void] => {
  let stop = () => {}
  const interrupted = new Promise<Ended>((resolve) => {
    stop = onInterrupt(cli, () => void cancelAll(cli, follower.ids).then(() => resolve({ state: 'cancelled' })))
  })
  return [interrupted, stop]
}

export const cancelAll = async (cli: Cli, ids: readonly `w${number}`[]): Promise<void> => {
  const client = await cli.client()
  // One that ended in this moment needs no cancelling, and a server that is away cannot be told: it sees that the driver has fallen silent.
  await Promise.allSettled(ids.map((id) => cancel(client, { noun: 'w', id }, 'interrupted at the keyboard')))
}

/** Standard output is one document: what the program prints goes beside it. */
const printsToStderr = ({ world: { stdout, stderr } }: Cli): (() => void) => interpose(stdout, (_write, text) => stderr.write(text))

const tellEnd = (cli: Cli, ended: Ended, workflowId: string | undefined): void => {
  const { world } = cli
  switch (ended.state) {
    case 'done':
      if (cli.json) return cli.printJson({ workflowId: workflowId ?? null, state: 'done', value: plain(ended.value) })
      if (ended.value !== undefined) cli.print(showValue(ended.value, cli.style()))
      return
    case 'failed':
      return world.setExitCode(tellFailure(cli, ended.error, workflowId))
    case 'cancelled':
      if (cli.json) cli.printJson({ workflowId: workflowId ?? null, state: 'cancelled' })
      else cli.note(workflowId ? `${workflowId} is cancelled` : 'interrupted')
      return world.setExitCode(exitCodes.interrupted)
  }
}

const tellFailure = (cli: Cli, error: unknown, workflowId: string | undefined): number => {
  if (asFault(error) || error instanceof UsageError) return reportError(cli, error, 'run')
  const { name: type, message, stack } = error instanceof Error ? error : { name: typeof error, message: String(error), stack: undefined }
  if (cli.json) {
    cli.printJson({ workflowId: workflowId ?? null, state: 'failed', error: { type, message, stack } })
    return exitCodes.failed
  }
  const { colors } = cli.style(cli.world.stderr)
  cli.world.stderr.write(`${colors.red('error:')} ${stack ?? message}\n`)
  if (workflowId) cli.world.stderr.write(`${colors.dim('help:')} culm explain ${workflowId}\n`)
  return exitCodes.failed
}

/** The value in the form in which values travel; a value that cannot travel is told as text. */
const plain = (value: unknown): unknown => {
  try {
    return JSON.parse(encodeValue(value))
  } catch {
    return String(value)
  }
}
