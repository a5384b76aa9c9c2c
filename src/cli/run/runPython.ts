import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Client } from '../../contract/client.ts'
import { sleep } from '../../lib/clock.ts'
import { cancelAll } from '../cancel.ts'
import type { Cli } from '../cli.ts'
import { exitCodes, UsageError } from '../errors.ts'
import { onInterrupt } from '../interrupts.ts'
import { jsonOf } from '../look/values.ts'
import { openFollower } from '../progress/follower.ts'
import { interpreterOf, pythonEnvironment } from '../python.ts'
import { programRun, type RunOptions } from './programRun.ts'

/** How often it is looked for a workflow of the script, ms. */
const lookMs = 300

/** Runs a Python file as a script in a process of its own, and follows the workflows that it starts. */
export const runPython = async (cli: Cli, path: string, args: string[], options: RunOptions): Promise<void> => {
  const client = await cli.client()
  const run = await programRun(cli, client, path, options)
  const follower = openFollower(cli, client)
  const child = spawn(options.python ?? interpreterOf(cli), [path, ...args], {
    cwd: cli.world.cwd,
    stdio: ['inherit', 'pipe', 'pipe'],
    env: {
      ...pythonEnvironment(cli),
      CULM_RUN: run.id,
      ...(run.acceptCode ? { CULM_ACCEPT_CODE: '1' } : {}),
      ...(run.isRemote ? { CULM_REMOTE: '1' } : {}),
    },
  })
  const { stdout, stderr } = cli.world
  // Standard output is one document with --json: what the script prints goes beside it.
  child.stdout.setEncoding('utf8').on('data', (text: string) => (cli.json ? stderr : stdout).write(text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => stderr.write(text))
  let wasInterrupted = false
  const stopListening = onInterrupt(cli, () => {
    wasInterrupted = true
    // A terminal tells the script as well; whoever else interrupts tells this process alone.
    if (!stderr.isTTY) child.kill('SIGINT')
    void cancelAll(client, follower.ids)
  })
  const ending = new AbortController()
  const looking = addNew(client, run.id, follower.add, ending.signal)
  try {
    const [code, signal] = await ended(child)
    ending.abort()
    await looking
    const [workflow] = await follower.end()
    if (cli.json) {
      const { id = null, state = null, value = null, error = null } = workflow ?? {}
      cli.printJson({ workflowId: id, state, value: value && jsonOf(value), ...(error ? { error } : {}) })
    }
    if (code === 0) return
    if (workflow && workflow.state !== 'done') cli.note(`culm explain ${workflow.id} says why`)
    cli.world.setExitCode(wasInterrupted || signal === 'SIGINT' ? exitCodes.interrupted : exitCodes.failed)
  } finally {
    ending.abort()
    stopListening()
    child.kill()
    await follower.end()
  }
}

const ended = async (
  child: ReturnType<typeof spawn>,
): Promise<[code: number | null, signal: NodeJS.Signals | null]> => {
  try {
    // Not `exit`: the last words of the script come after that.
    return (await once(child, 'close')) as [number | null, NodeJS.Signals | null]
  } catch (error) {
    throw new UsageError(
      `${child.spawnfile} cannot be started: ${(error as Error).message}`,
      'name the interpreter: --python PATH',
    )
  }
}

/** The script is another process: its workflows are those of its run. */
const addNew = async (
  client: Client,
  run: string,
  add: (id: `w${number}`) => void,
  signal: AbortSignal,
): Promise<void> => {
  let isLast = false
  while (!isLast) {
    await sleep(lookMs, signal)
    isLast = signal.aborted
    // An outage passes, or the script says so.
    const { items } = await client.call('listWorkflows', { query: { run, limit: 50 } }).catch(() => ({ items: [] }))
    for (const { id } of items.reverse()) add(id)
  }
}
