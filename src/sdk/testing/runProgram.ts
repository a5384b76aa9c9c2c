import { spawn } from 'node:child_process'

export type Ran = { code: number | null; out: string; err: string; seconds: number }

/**
 * Runs a program to its own end; one that does not end by itself is killed after `limitSeconds`, and its `code` is
 * null.
 */
export const runProgram = (
  command: readonly string[],
  { cwd, env = {}, limitSeconds = 20 }: { cwd: string; env?: Record<string, string>; limitSeconds?: number },
): Promise<Ran> =>
  new Promise((resolve, reject) => {
    const startedAt = performance.now()
    const child = spawn(command[0]!, command.slice(1), {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: limitSeconds * 1000,
      killSignal: 'SIGKILL',
    })
    let out = ''
    let err = ''
    child.stdout.setEncoding('utf8').on('data', (text) => {
      out += text
    })
    child.stderr.setEncoding('utf8').on('data', (text) => {
      err += text
    })
    child.once('error', reject)
    child.once('close', (code) => resolve({ code, out, err, seconds: (performance.now() - startedAt) / 1000 }))
  })
