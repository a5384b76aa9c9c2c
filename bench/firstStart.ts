import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type BenchResult, outputOf, round } from './support.ts'

/**
 * What a newcomer waits for: from `git clone` to the first value of a training, with npm's cache warm, an empty home and an empty folder; and the second start in
 * the same place, to the same line.
 */
export const run = async (): Promise<BenchResult> => {
  const folder = await mkdtemp(path.join(tmpdir(), 'culm-newcomer-'))
  const env = {
    ...process.env,
    HOME: path.join(folder, 'home'),
    CULM_HOME: path.join(folder, 'home/.culm'),
    npm_config_cache: await npmCache(),
  }
  try {
    const start = performance.now()
    await outputOf('git', ['clone', '--quiet', '.', path.join(folder, 'culm')], process.env)
    const cloned = performance.now() - start
    const first = await untilFirstValue(path.join(folder, 'culm'), env)
    const second = await untilFirstValue(path.join(folder, 'culm'), env)
    const seconds = { clone: cloned / 1000, first: (cloned + first) / 1000, second: second / 1000 }
    return {
      title: 'From nothing to the first value',
      columns: ['what', 'seconds'],
      rows: [
        ['clone to the first training’s value (npm cache warm)', round(seconds.first, 1)],
        ['second start to the first training’s value', round(seconds.second, 1)],
      ],
      json: { firstSeconds: round(seconds.first, 1), secondSeconds: round(seconds.second, 1) },
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

const npmCache = async (): Promise<string> =>
  (await outputOf('npm', ['config', 'get', 'cache'], process.env)).trim().split('\n').at(-1)!

/** Milliseconds until the example has printed that its first iteration has values; then it is ended as a person would. */
const untilFirstValue = async (cwd: string, env: NodeJS.ProcessEnv): Promise<number> => {
  const start = performance.now()
  const child = spawn('npm', ['start', '--', '--once'], { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  let out = ''
  const at = await new Promise<number>((resolve, reject) => {
    const hear = (chunk: Buffer) => {
      out += chunk
      if (/evaluate [1-9]\d*\/20|20 evaluations/.test(out)) resolve(performance.now() - start)
    }
    child.stdout.on('data', hear)
    child.stderr.on('data', hear)
    child.on('exit', (code) => reject(new Error(`npm start ended with ${code}:\n${out}`)))
  })
  process.kill(-child.pid!, 'SIGINT')
  await once(child, 'exit')
  return at
}
