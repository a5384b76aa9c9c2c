import { availableParallelism } from 'node:os'
import { installPeers, peerEnvironment, peerPython } from './peers.ts'
import { secondsByRole } from './processTimes.ts'
import { type BenchResult, type Culm, median, outputOf, round, withCulm } from './support.ts'

type Shape = { layers: number; width: number; parents: number }
type Key = 'jobs' | 'free' | 'tasks' | 'daskGraph' | 'daskFutures'

const names: Record<Key, string> = {
  jobs: 'Culm: jobs that wait for jobs',
  free: 'Culm: the same jobs, waiting for nothing',
  tasks: 'Culm: tasks of one job that wait for tasks, submitted one by one',
  daskGraph: 'Dask distributed: one graph',
  daskFutures: 'Dask distributed: futures that take futures',
}

/**
 * Graphs of functions that do nothing, in layers, each of which waits for `parents` of the layer before it: from the first submission to the end of the last one. The same graph
 * through Dask distributed in the same rounds, which keeps it in memory; it comes from PyPI at the first use. `--layers=N`, `--width=N`, `--parents=N`, `--rounds=N`, `--no-peers`.
 */
export const run = async (options: Record<string, string | boolean>): Promise<BenchResult> => {
  const number = (name: string, otherwise: number) => Number(options[name] ?? otherwise)
  const shape = { layers: number('layers', 10), width: number('width', 1000), parents: number('parents', 2) }
  const rounds = number('rounds', 3)
  const missing = options['no-peers'] === true ? 'not asked for' : await daskMissing()
  const dask = missing ? `Without Dask: ${missing}.` : `Dask distributed ${await daskVersion()}.`
  return withCulm(
    async (culm) => {
      const results = new Map<Key, number[]>()
      const used = new Map<string, number>()
      await ofCulm(culm, 'jobs', { ...shape, width: 100 })
      for (let i = 0; i < rounds; i++) {
        const note = async (key: Key, seconds: Promise<number>, jobs = shape.layers * shape.width) =>
          results.set(key, [...(results.get(key) ?? []), jobs / (await seconds)])
        await note(
          'jobs',
          counted(used, () => ofCulm(culm, 'jobs', shape)),
        )
        await note('free', ofCulm(culm, 'jobs', { ...shape, parents: 0 }))
        const tenth = { ...shape, width: Math.ceil(shape.width / 10) }
        await note('tasks', ofCulm(culm, 'tasks', tenth), tenth.layers * tenth.width)
        if (!missing) await note('daskGraph', ofDask('graph', shape))
        if (!missing) await note('daskFutures', ofDask('futures', shape))
        console.error(`round ${i + 1}/${rounds}:`, Object.fromEntries([...results].map(([k, all]) => [k, all.at(-1)])))
      }
      return resultOf(shape, rounds, results, used, dask)
    },
    [`--slots=${options.slots ?? 4}`],
  )
}

const ofCulm = async ({ url, token, env }: Culm, what: string, { layers, width, parents }: Shape): Promise<number> => {
  const args = ['bench/programs/graph.ts', what, layers, width, parents].map(String)
  return Number(await outputOf('node_modules/.bin/tsx', args, { ...env, CULM_URL: url, CULM_TOKEN: token }))
}

const ofDask = async (what: string, { layers, width, parents }: Shape): Promise<number> => {
  const args = ['bench/peers/graph_dask.py', what, availableParallelism(), layers, width, parents].map(String)
  return Number((await outputOf(peerPython, args, peerEnvironment(process.env))).trim().split('\n').at(-1))
}

const daskMissing = async (): Promise<string | undefined> => (await installPeers([['dask', 'distributed']])).get('dask')

const daskVersion = async (): Promise<string> =>
  (await outputOf(peerPython, ['-c', 'import distributed; print(distributed.__version__)'], process.env)).trim()

/** Adds what each part has used meanwhile, s. */
const counted = async (used: Map<string, number>, act: () => Promise<number>): Promise<number> => {
  const before = secondsByRole()
  const seconds = await act()
  for (const [role, after] of secondsByRole()) used.set(role, (used.get(role) ?? 0) + after - (before.get(role) ?? 0))
  return seconds
}

const resultOf = (
  { layers, width, parents }: Shape,
  rounds: number,
  results: Map<Key, number[]>,
  used: Map<string, number>,
  dask: string,
): BenchResult => {
  const rate = (key: Key) => round(median(results.get(key)!), 0)
  const spread = (key: Key) => `${round(Math.min(...results.get(key)!), 0)}–${round(Math.max(...results.get(key)!), 0)}`
  const perJob = [...used].map(
    ([role, seconds]) => [role, round((seconds / layers / width / rounds) * 1e6, 0)] as const,
  )
  return {
    title: `Graphs: ${layers} layers of ${width.toLocaleString('en')}, each waiting for ${parents} of the layer before`,
    ...(layers * width === 10_000 ? {} : { variant: layers * width }),
    columns: ['', 'a second, median', 'spread', 'Culm’s jobs go times as fast'],
    rows: [...results.keys()].map((key) => [names[key], rate(key), spread(key), round(rate('jobs') / rate(key), 2)]),
    json: {
      ...{ layers, width, parents, rounds },
      ...Object.fromEntries([...results.keys()].map((key) => [key, rate(key)])),
      microsecondsPerJob: Object.fromEntries(perJob),
    },
    notes: [
      'Medians of interleaved rounds on one machine. Culm’s jobs are on disk before they run, and so is what becomes of them, with history (`synchronous_commit = on`); Dask keeps everything in memory.',
      `Of tasks a tenth as many. Processor time of a job that waits for jobs, µs: ${perJob.map(([role, us]) => `${role} ${us}`).join(', ')}.`,
      `${dask} It has as many workers as the machine has cores, and Culm four runners, as in its other benches.`,
    ],
  }
}
