import { accessSync, constants } from 'node:fs'
import { constants as system } from 'node:os'
import { delimiter, isAbsolute, join } from 'node:path'
import type { Inside, Runtime } from '../ports/runtime.ts'

/** How a program is started so that it reaches nothing that is not its owner's. */
export type Launch = {
  program: string
  args: string[]
  cwd: string
  /** Another user than this process's. */
  user?: { uid: number; gid: number }
  /** Of the program that is started, when that is not the one that was asked for. */
  env?: Record<string, string>
  /** A file that gets the number of the first process, when that is no child of the one that is started. */
  apart?: string
}

export type Ending = { code: number | null; signal: NodeJS.Signals | null }

export type Guard = {
  /** Throws with the code of the system (ENOENT, EACCES) when there is no such program. */
  launch(program: string, args: readonly string[], cwd: string, env: Record<string, string>): Launch
  /** How the program ended, when this is how the process ended that stood for it. */
  ending(of: Ending): Ending
}

/** As the user of the pilot, with all that he sees. */
export const noGuard: Guard = {
  launch: (program, args, cwd) => ({ program, args: [...args], cwd }),
  ending: (of) => of,
}

/**
 * As a user of its own. A folder that the owner named is entered by him, not for him: the right to be in it is asked of the system. (Node changes to `cwd`
 * before it changes the user.)
 */
export const userGuard = (user: { uid: number; gid: number }, ownFolder: string): Guard => ({
  launch: (program, args, cwd) =>
    cwd.startsWith(ownFolder)
      ? { program, args: [...args], cwd, user }
      : { program: 'env', args: ['-C', cwd, '--', program, ...args], cwd: '/', user },
  ending: (of) => of,
})

export type View = {
  /** The program bubblewrap. */
  bubblewrap: string
  /** Folders that are empty in the view. */
  hidden: readonly string[]
  /** Files and folders that are there all the same, to be read or also to be written. */
  read: readonly string[]
  write: readonly string[]
}

/**
 * In a view of the machine of its own: the same files without what is hidden, and no processes but its own. The order counts: what is shown again lies over
 * what is hidden.
 */
export const viewGuard = ({ bubblewrap, hidden, read, write }: View): Guard => {
  const view = [
    ...['--dev-bind', '/', '/'],
    ...hidden.flatMap((path) => ['--tmpfs', path]),
    ...read.flatMap((path) => ['--ro-bind-try', path, path]),
    ...write.flatMap((path) => ['--bind-try', path, path]),
    ...['--unshare-pid', '--proc', '/proc', '--die-with-parent'],
  ]
  return {
    launch: (program, args, cwd, env) => ({
      program: bubblewrap,
      args: [...view, '--chdir', cwd, '--', found(program, env.PATH ?? ''), ...args],
      cwd: '/',
    }),
    ending: signalled,
  }
}

/** What a payload in an image is given of this machine: `pids` is a folder where none can write. */
export type Share = Pick<Inside, 'read' | 'write' | 'hidden' | 'ownEnv'> & {
  pids: string
  user: Launch['user'] | null
}

/** In an image, which takes the place of a view: nothing of the machine is there but what was given. `channel`: whether programs have file descriptor 3. */
export const imageGuard = (
  { runtime, image, channel }: { runtime: Runtime; image: string; channel: boolean },
  { pids, user, ...share }: Share,
): Guard => {
  let count = 0
  return {
    launch: (program, args, cwd, env) => {
      const pidFile = join(pids, `${process.pid}.${++count}`)
      const gpus = Boolean(env.CUDA_VISIBLE_DEVICES)
      const started = runtime.start({ image, program, args, cwd, env, gpus, channel, pidFile, ...share })
      return {
        ...{ program: started.program, args: started.args, env: started.env, cwd: '/' },
        ...(user ? { user } : {}),
        ...(started.pidFile === undefined ? {} : { apart: started.pidFile }),
      }
    },
    ending: signalled,
  }
}

/** With a shell around the programs that it starts, which stands for them. */
export const behindShell = (guard: Guard): Guard => ({ ...guard, ending: (of) => signalled(guard.ending(of)) })

/** Alone with a lock: who comes later waits until the program has ended. */
export const lockedGuard = (guard: Guard, lock: string): Guard => ({
  ...guard,
  launch: (program, args, cwd, env) => {
    const launch = guard.launch(program, args, cwd, env)
    return { ...launch, program: 'flock', args: [lock, launch.program, ...launch.args] }
  },
})

/** Who stands for a program that was killed by signal n ends with the code 128 + n. */
const signalled = (of: Ending): Ending => {
  const number = of.code === null ? 0 : of.code - 128
  const name = Object.entries(system.signals).find(([, n]) => n === number)?.[0]
  return name === undefined ? of : { code: null, signal: name as NodeJS.Signals }
}

/**
 * Where the program lies, as the system looks for it: so that a missing one is told apart from one that failed. (The system says EACCES also when a folder of PATH
 * cannot be entered; who misspelt a name is not helped by that.)
 */
const found = (program: string, path: string): string => {
  const places = program.includes('/') ? [program] : path.split(delimiter).map((folder) => join(folder, program))
  let isThere = false
  for (const place of places) {
    if (!isAbsolute(place)) return program // relative to a folder that only the view has
    if (mayAccess(place, constants.X_OK)) return place
    isThere ||= mayAccess(place, constants.F_OK)
  }
  throw Object.assign(new Error(`${program} cannot be run`), { code: isThere ? 'EACCES' : 'ENOENT' })
}

const mayAccess = (path: string, mode: number): boolean => {
  try {
    accessSync(path, mode)
    return true
  } catch {
    return false
  }
}
