import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { relative } from 'node:path'
import { encodeValue } from '../../contract/values.ts'
import { type LoadedBundle, loadBundled } from '../../sdk/bundle/loadBundled.ts'
import { currentRuntime } from '../../sdk/runtime.ts'
import { cancelAll } from '../cancel.ts'
import type { Cli } from '../cli.ts'
import { asFault, exitCodes, reportError, UsageError } from '../errors.ts'
import { onInterrupt } from '../interrupts.ts'
import { showValue } from '../look/values.ts'
import { openFollower } from '../progress/follower.ts'
import { interpose } from '../progress/live.ts'
import { entryOf, submitOf } from './entry.ts'
import { programRun, type RunOptions } from './programRun.ts'

type Ended = { state: 'done'; value: unknown } | { state: 'failed'; error: unknown } | { state: 'cancelled' }

/** Runs a function of a TypeScript or JavaScript file in this process, which is then the driver of its workflow. */
export const runModule = async (cli: Cli, path: string, args: string[], options: RunOptions): Promise<void> => {
  const client = await cli.client()
  const { isRemote, ...run } = await programRun(cli, client, path, options)
  const ownOutput = cli.json ? printsToStderr(cli) : () => {}
  const follower = openFollower(cli, client)
  const server = await cli.server()
  const opened = ({ workflowId }: { workflowId: string }) => follower.add(workflowId as `w${number}`)
  let loaded: LoadedBundle | undefined
  const start = async (): Promise<Ended> => {
    loaded = await loadBundled(path, { server, run, opened })
    const entry = entryOf(loaded.exports, options.export, relative(cli.world.cwd, path))
    const call = isRemote ? submitOf(entry) : entry.run
    return { state: 'done', value: await call(...args.map(argument)) }
  }
  const interruption = interruptible(cli, () => cancelAll(client, follower.ids))
  const ran = start().catch((error): Ended => ({ state: 'failed', error }))
  // What is cancelled fails in the function too, perhaps before the server has said so.
  const ended = await Promise.race([
    interruption.cancelled,
    ran.then((end) => (interruption.asked ? interruption.cancelled : end)),
  ])
  await follower.end()
  interruption.stop()
  ownOutput()
  const code = tellEnd(cli, ended, follower.ids[0] ?? null, loaded?.bundle.folder)
  if (code !== 0) cli.world.setExitCode(code)
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

/** The first Ctrl-C calls `cancel`; `cancelled` resolves when that is done. */
const interruptible = (
  cli: Cli,
  cancel: () => Promise<void>,
): { readonly asked: boolean; cancelled: Promise<Ended>; stop: () => void } => {
  const asked = new AbortController()
  const stop = onInterrupt(cli, () => asked.abort())
  const cancelled = once(asked.signal, 'abort')
    .then(cancel)
    .then((): Ended => ({ state: 'cancelled' }))
  return {
    get asked() {
      return asked.signal.aborted
    },
    cancelled,
    stop,
  }
}

/** Standard output is one document: what the program prints goes beside it. */
const printsToStderr = ({ world: { stdout, stderr } }: Cli): (() => void) =>
  interpose(stdout, (_write, text) => stderr.write(text))

const tellEnd = (cli: Cli, ended: Ended, workflowId: string | null, folder = ''): number => {
  if (ended.state === 'failed') return tellFailure(cli, ended.error, workflowId, folder)
  if (ended.state === 'cancelled') {
    if (cli.json) cli.printJson({ workflowId, state: 'cancelled' })
    else cli.note(workflowId ? `${workflowId} is cancelled` : 'interrupted')
    return exitCodes.interrupted
  }
  if (cli.json) cli.printJson({ workflowId, state: 'done', value: plain(ended.value) })
  else if (ended.value !== undefined) cli.print(showValue(ended.value, cli.style()))
  return 0
}

/** What kept it from starting is told as of every command; what it threw is told with the way there, its own and the remote one. */
const tellFailure = (cli: Cli, error: unknown, workflowId: string | null, folder: string): number => {
  const hasNotStarted = error instanceof UsageError || (asFault(error) && !workflowId)
  if (hasNotStarted || (asFault(error) && !cli.json)) return reportError(cli, error, 'run')
  const { name: type, message } = error instanceof Error ? error : { name: 'Error', message: String(error) }
  const stack = error instanceof Error && error.stack ? ownStack(error.stack, folder) : undefined
  if (cli.json) {
    cli.printJson({ workflowId, state: 'failed', error: { type, message, stack } })
  } else {
    const { stderr } = cli.world
    const { colors } = cli.style(stderr)
    stderr.write(`${colors.red('error:')} ${stack ?? message}\n`)
    if (workflowId) stderr.write(`${colors.dim('help:')} culm explain ${workflowId}\n`)
  }
  return exitCodes.failed
}

/** The lines of the user's own files, by where these are and not where their compiled forms were; not ours, nor Node's. */
const ownStack = (stack: string, folder: string): string => {
  const { root = folder } = currentRuntime()?.bundle ?? {}
  const isForeign = (line: string) =>
    /^\s+at .*(node_modules\/culm\/|\bnode:|\/dist\/(chunks\/[\w-]+|culm)\.js)/.test(line)
  const lines = stack.split('\n').filter((line) => !isForeign(line))
  return folder === '' ? stack : lines.join('\n').replaceAll(`${folder}/`, `${root}/`)
}

/** The value in the form in which values travel; a value that cannot travel is told as text. */
const plain = (value: unknown): unknown => {
  try {
    return JSON.parse(encodeValue(value))
  } catch {
    return String(value)
  }
}
