import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

/** What a bench gives to be printed and kept. */
export type BenchResult = {
  title: string
  /** Beside the bench's name in the name of its page, where one with other options is not to take its place. */
  variant?: string | number
  columns: string[]
  rows: (string | number)[][]
  /** The figures for programs. */
  json: Record<string, unknown>
  notes?: string[]
}

/** Quantiles by nearest rank. */
export const quantiles = (values: readonly number[]): { p50: number; p95: number; p99: number } => {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (q: number) => sorted[Math.min(sorted.length - 1, Math.ceil(q * sorted.length) - 1)]!
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99) }
}

export const median = (values: readonly number[]): number => quantiles(values).p50

export const round = (x: number, digits = 2): number => Number(x.toFixed(digits))

export type Culm = { home: string; url: string; token: string; databaseUrl: string; env: NodeJS.ProcessEnv }

/** A whole Culm of its own, as `culm up` starts it, on a home that is removed afterwards, or on one that was prepared and stays. */
export const withCulm = async <T>(
  act: (culm: Culm) => Promise<T>,
  args: string[] = [],
  prepared?: string,
): Promise<T> => {
  const home = prepared ?? (await mkdtemp(path.join(tmpdir(), 'culm-bench-')))
  const env = { ...process.env, CULM_HOME: home }
  const up = spawn(process.execPath, ['dist/culm.js', 'up', ...args], { env, stdio: ['ignore', 'ignore', 'pipe'] })
  try {
    await said(up, 'It serves')
    const { url, databaseUrl } = JSON.parse(await readFile(path.join(home, 'server.json'), 'utf8'))
    const token = (await readFile(path.join(home, 'token'), 'utf8')).trim()
    return await act({ home, url, token, databaseUrl, env })
  } finally {
    up.kill('SIGINT')
    if (up.exitCode === null) await once(up, 'exit')
    if (!prepared) await rm(home, { recursive: true, force: true })
  }
}

/** Resolves when the process has printed `text`; rejects with what it printed when it ends before. */
const said = (child: ChildProcess, text: string): Promise<void> =>
  new Promise((resolve, reject) => {
    let all = ''
    child.stderr!.on('data', (chunk) => {
      all += chunk
      if (all.includes(text)) resolve()
    })
    child.on('exit', (code) => reject(new Error(`culm up ended with ${code}: ${all}`)))
  })

/** Runs a program to its end and gives its standard output; its errors go to ours. */
export const outputOf = async (command: string, args: string[], env: NodeJS.ProcessEnv): Promise<string> => {
  const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'inherit'] })
  let out = ''
  child.stdout.on('data', (chunk) => {
    out += chunk
  })
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}`)
  return out
}
