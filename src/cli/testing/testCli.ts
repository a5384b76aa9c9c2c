import { systemClock } from '../../lib/clock.ts'
import { runCli } from '../program.ts'
import type { Output, World } from '../world.ts'

export type Ran = { code: number; out: string; err: string; json: () => unknown; jsonLines: () => unknown[] }

export type Running = {
  ended: Promise<Ran>
  /** What it has printed so far. */
  out: () => string
  err: () => string
  interrupt: () => void
}

type Options = {
  env?: NodeJS.ProcessEnv
  cwd?: string
  columns?: number
  tty?: boolean
  pythonPath?: string
  typed?: string
}

/** Command lines in this process, with a world of their own: as a person of a server would type them. */
export const testCli = (server: { url: string; userToken: string } | undefined, all: Options = {}) => {
  const start = (argv: string[], options: Options = {}): Running => {
    const { env, cwd = '/', columns = 80, tty = false, pythonPath = '/none', typed = '' } = { ...all, ...options }
    const written = { out: '', err: '' }
    const listeners = new Set<() => void>()
    let code = 0
    let leave = (_code: number) => {}
    const left = new Promise<void>((resolve) => {
      leave = (exitCode) => {
        code = exitCode
        resolve()
      }
    })
    const outputTo = (name: 'out' | 'err'): Output => ({
      write: (text) => {
        written[name] += text
        return true
      },
      ...(tty ? { isTTY: true, columns } : {}),
    })
    const world: World = {
      env: {
        ...(server ? { CULM_SERVER: server.url, CULM_TOKEN: server.userToken } : {}),
        HOME: '/none',
        PATH: process.env.PATH,
        LANG: 'C.UTF-8',
        ...env,
      },
      cwd,
      stdout: outputTo('out'),
      stderr: outputTo('err'),
      version: '1.2.3',
      pythonPath,
      clock: systemClock,
      readHidden: async () => Buffer.from(typed),
      setExitCode: (exitCode) => {
        code = exitCode
      },
      exit: leave,
      onInterrupt: (listener) => {
        listeners.add(listener)
        return () => listeners.delete(listener)
      },
    }
    const ended = Promise.race([runCli(world, ['node', 'culm', ...argv]), left]).then(
      (): Ran => ({
        code,
        ...written,
        json: () => JSON.parse(written.out),
        jsonLines: () =>
          written.out
            .trimEnd()
            .split('\n')
            .map((line) => JSON.parse(line)),
      }),
    )
    const interrupt = () => {
      for (const listener of [...listeners]) listener()
    }
    return { ended, out: () => written.out, err: () => written.err, interrupt }
  }
  return { start, run: (...argv: string[]): Promise<Ran> => start(argv).ended }
}
