import type { Clock } from '../lib/clock.ts'

/** What commands see of the process that they run in, and may do to it. `main` gives the real one, tests their own. */
export type World = {
  env: NodeJS.ProcessEnv
  /** The working directory. */
  cwd: string
  stdout: Output
  stderr: Output
  version: string
  /** The folder that holds the Python package `culm`. */
  pythonPath: string
  clock: Clock
  /** What comes on standard input, to its end; a person is asked with `prompt`, and what he types is not shown. */
  readHidden(prompt: string): Promise<Buffer>
  /** The exit code of the process when it ends by itself. */
  setExitCode(code: number): void
  /** Ends the process now. */
  exit(code: number): void
  /** Calls `listener` at each SIGINT or SIGTERM until the returned function is called. While nobody listens, they end the process. */
  onInterrupt(listener: () => void): () => void
}

/** The part of `process.stdout` that is used. What a program prints while its progress is shown goes through `write` as well. */
export type Output = {
  write(text: string): boolean
  /** Set when people read it. */
  isTTY?: boolean
  /** Width of the terminal, characters. */
  columns?: number
  on?(name: 'error', listener: (error: NodeJS.ErrnoException) => void): unknown
}
