import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { sleep } from '../../lib/clock.ts'
import { isFault, messageOf } from '../../lib/fault.ts'
import type { Log } from '../../lib/log.ts'
import type { Binaries } from './binaries.ts'
import type { Connection } from './connection.ts'
import { postgresFault } from './failure.ts'
import { leash } from './leash.ts'
import { endOrphans } from './orphans.ts'
import type { Place } from './place.ts'
import { untilReady } from './ready.ts'
import { cannotRun, commandAs, plainEnv, type RunAs } from './runAs.ts'
import { quoteListItem } from './settings.ts'

/** The first process of a running PostgreSQL. */
export type Postmaster = {
  pid: number
  /** How it ended, in words, when it has. */
  ended: Promise<string>
  /** Fast shutdown, then immediate, then by force. */
  stop(): Promise<void>
}

export type LaunchOptions = {
  place: Place
  binaries: Binaries
  runAs: RunAs
  connection: Connection
  log: Log
  signal?: AbortSignal
}

/**
 * How long the remains of a killed PostgreSQL (a number not yet free, shared memory still in use) may stand in the way.
 */
const remainsMs = 5_000

/** Starts PostgreSQL on a cluster and waits until it answers; it is ended again if it does not. */
export const launchPostmaster = async (options: LaunchOptions): Promise<Postmaster> => {
  const { place, connection, log, signal } = options
  const deadline = performance.now() + remainsMs
  for (;;) {
    const { postmaster, lastWords } = await spawnPostmaster(options)
    if (await answers(postmaster, options)) return postmaster
    const output = await lastWords()
    if (!saysRemains(output) || performance.now() > deadline)
      throw await postgresFault({ doing: 'starting', output, place })
    await endOrphans(place.dataDir, connection.host, log)
    await sleep(100, signal)
  }
}

const saysRemains = (output: string): boolean =>
  /lock file ".*" already exists|pre-existing shared memory block/.test(output)

const answers = async (postmaster: Postmaster, { place, connection, log, signal }: LaunchOptions): Promise<boolean> => {
  try {
    return await untilReady({ connection, dataDir: place.dataDir, postmaster, log, signal })
  } catch (error) {
    await postmaster.stop()
    if (isFault(error) || signal?.aborted) throw error
    throw await postgresFault({ doing: 'starting', output: messageOf(error), place })
  }
}

/** Enough of the first words for a fault; what follows goes to the log files, by PostgreSQL's own collector. */
const keptOutput = 16_384

/**
 * In a session of its own, so that a Ctrl-C in the terminal reaches us alone, and we can end our work before the
 * database goes. Neither the process nor its pipe keeps Node alive: a program that forgets to stop it can end, and the
 * leash does the rest.
 */
const spawnPostmaster = async (
  options: LaunchOptions,
): Promise<{ postmaster: Postmaster; lastWords: () => Promise<string> }> => {
  const { place, binaries, runAs, connection } = options
  const { file, args, uid, gid } = commandAs(runAs, binaries.postgres, [
    '-D',
    place.dataDir,
    ...listenOnlyOn(connection),
  ])
  const child = spawn(file, args, {
    cwd: place.dataDir,
    uid,
    gid,
    env: plainEnv(),
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let output = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output = (output + text).slice(-keptOutput)
  })
  const ended = new Promise<string>((resolve) => {
    child.once('exit', (code, signal) => resolve(signal ? `killed by ${signal}` : `exit code ${code}`))
  })
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()))
  await once(child, 'spawn').catch((error) => {
    throw cannotRun(file, error)
  })
  const pid = child.pid as number
  const letGo = leash(pid)
  void ended.then(letGo)
  child.unref()
  ;(child.stderr as unknown as Socket).unref()
  return {
    postmaster: { pid, ended, stop: () => stopChild(child, ended) },
    // The pipe ends after the process, and much later if a child of it lives on.
    lastWords: async () => {
      await Promise.race([closed, sleep(1_000)])
      return `${output}\n(${await ended})`
    },
  }
}

/** On the command line, where no file and no `alter system` can open it to the network. */
const listenOnlyOn = ({ host, port }: Connection): string[] =>
  [
    'listen_addresses=',
    `unix_socket_directories=${quoteListItem(host)}`,
    'unix_socket_permissions=0700',
    `port=${port}`,
  ].flatMap((setting) => ['-c', setting])

/** A fast shutdown ends with a checkpoint: up to `shared_buffers` of dirty pages, 1 GB, on a slow disk. */
const shutdowns: [NodeJS.Signals, number][] = [
  ['SIGINT', 30_000],
  ['SIGQUIT', 5_000],
  ['SIGKILL', 5_000],
]

const stopChild = async (child: ChildProcess, ended: Promise<string>): Promise<void> => {
  child.ref()
  for (const [signal, ms] of shutdowns) {
    child.kill(signal)
    const timer = new AbortController()
    const end = await Promise.race([ended, sleep(ms, timer.signal)])
    timer.abort()
    if (end !== undefined) return
  }
}
