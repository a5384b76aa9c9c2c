import { availableParallelism } from 'node:os'
import path from 'node:path'
import { installPeers, peerEnvironment, peerPython } from './peers.ts'
import { type BenchResult, median, outputOf, quantiles, round, withCulm } from './support.ts'

const systems = {
  culm: { name: 'Culm', installs: 'numpy' },
  dask: { name: 'Dask distributed', installs: 'distributed' },
  parsl: { name: 'Parsl HTEX', installs: 'parsl' },
  ray: { name: 'Ray', installs: 'ray' },
}
type Key = keyof typeof systems
const keys = Object.keys(systems) as Key[]

/** What is done at once: few and many calls of a function that does nothing, few of 10 ms, few with a large argument in common. */
const batches = ['fewSeconds', 'manySeconds', 'napsSeconds', 'commonSeconds'] as const
type Batch = (typeof batches)[number]

/** What a program of bench/peers prints. */
type Round = Record<Batch, number> & { version: string; callMs: number[] }
type Figures = Record<'p50Ms' | 'p95Ms' | Batch, number>
type Sizes = { workers: number; calls: number; few: number; many: number; megabytes: number }

/**
 * Functions in Python through Culm, Dask distributed, Parsl's high-throughput executor and Ray: the same calls, with as many warm workers each, in interleaved rounds.
 * The peers come from PyPI at the first use. `--rounds=N`, `--workers=N`, `--calls=N`, `--few=N`, `--many=N`, `--megabytes=N`.
 */
export const run = async (options: Record<string, string | boolean>): Promise<BenchResult> => {
  const number = (name: string, otherwise: number) => Number(options[name] ?? otherwise)
  const sizes: Sizes = {
    workers: number('workers', availableParallelism()),
    calls: number('calls', 300),
    few: number('few', 1000),
    many: number('many', 10_000),
    megabytes: number('megabytes', 10),
  }
  const rounds = number('rounds', 3)
  const missing = await installPeers(keys.map((key) => [key, systems[key].installs]))
  const why = missing.get('culm')
  if (why) throw new Error(`the programs need NumPy: ${why}`)
  return withCulm(
    async ({ env }) => {
      const results = new Map<Key, Round[]>()
      await roundOf('culm', sizes, env) // the server's code gets warm, too
      for (let i = 0; i < rounds; i++)
        for (const key of keys.filter((key) => !missing.has(key))) {
          const one = await roundOf(key, sizes, env)
          results.set(key, [...(results.get(key) ?? []), one])
          console.error(`round ${i + 1}/${rounds}, ${systems[key].name}:`, figuresOf([one]))
        }
      return resultOf(sizes, rounds, results, missing)
    },
    [`--slots=${sizes.workers}`],
  )
}

const roundOf = async (key: Key, sizes: Sizes, env: NodeJS.ProcessEnv): Promise<Round> => {
  const { workers, calls, few, many, megabytes } = sizes
  const args = [workers, calls, few, many, megabytes * 1e6].map(String)
  const out = await outputOf(peerPython, [`bench/peers/with_${key}.py`, ...args], {
    ...peerEnvironment(env),
    ...(key === 'culm' ? { PYTHONPATH: path.resolve('python') } : {}),
  })
  return JSON.parse(out.trim().split('\n').at(-1)!)
}

const figuresOf = (rounds: Round[]): Figures => {
  const { p50, p95 } = quantiles(rounds.flatMap(({ callMs }) => callMs))
  const seconds = batches.map((batch) => [batch, round(median(rounds.map((one) => one[batch])), 3)])
  return { p50Ms: round(p50), p95Ms: round(p95), ...Object.fromEntries(seconds) }
}

const lineOf = (key: Key, rounds: Round[]): (string | number)[] => {
  const { p50Ms, p95Ms, ...seconds } = figuresOf(rounds)
  const cell = (batch: Batch) => {
    const all = rounds.map((one) => one[batch])
    return `${round(seconds[batch])} (${round(Math.min(...all))}–${round(Math.max(...all))})`
  }
  return [`${systems[key].name} ${rounds[0]!.version}`, p50Ms, p95Ms, ...batches.map(cell)]
}

const missingLine = (key: Key, why: string) => [systems[key].name, `not to be had here: ${why}`, '', '', '', '', '']

const resultOf = (sizes: Sizes, rounds: number, results: Map<Key, Round[]>, missing: Map<Key, string>): BenchResult => {
  const figures = [...results].map(([key, all]) => [key, figuresOf(all)] as const)
  const own = figuresOf(results.get('culm')!)
  const timesAsFast = figures.filter(([key]) => key !== 'culm').map(([key, its]) => [key, ratiosOf(its, own)] as const)
  const [few, many] = [sizes.few.toLocaleString('en'), sizes.many.toLocaleString('en')]
  const { workers, calls, megabytes } = sizes
  return {
    title: 'Functions in Python, beside Dask, Parsl and Ray',
    columns: [
      '',
      'one call, p50 ms',
      'p95 ms',
      `${few} calls, s`,
      `${many} calls, s`,
      `${few} calls of 10 ms, s`,
      `${few} calls with ${megabytes} MB in common, s`,
    ],
    rows: [
      ...[...results].map(([key, all]) => lineOf(key, all)),
      ...[...missing].map(([key, why]) => missingLine(key, why)),
      ...timesAsFast.map(([key, ratios]) => [
        `Culm is times as fast as ${systems[key].name}`,
        ...Object.values<number>(ratios),
      ]),
    ],
    json: {
      ...sizes,
      rounds,
      ...Object.fromEntries(figures.map(([key, its]) => [key, { version: results.get(key)![0]!.version, ...its }])),
      timesAsFast: Object.fromEntries(timesAsFast),
      missing: Object.fromEntries(missing),
    },
    notes: [
      'Culm’s calls are durable: each is on disk before it runs, and so is its value before the caller has it (`synchronous_commit = on`). Those of Dask, Parsl and Ray are not: they are in memory, and lost with their processes.',
      `${workers} warm workers each, everything on the loopback address of one machine; ${rounds} interleaved rounds with ${calls} single calls each; of the maps medians and their spread. No dashboards, no usage statistics, no encryption.`,
      'What calls have in common is a NumPy array, and the time to bring it to them counts: a named argument of the map in Culm, scattered to all workers in Dask, put into the object store in Ray, and a file in Parsl, which sends other arguments with each call.',
    ],
  }
}

const ratiosOf = (its: Figures, own: Figures): Figures =>
  Object.fromEntries(
    Object.entries(its).map(([name, value]) => [name, Number((value / own[name as keyof Figures]).toPrecision(2))]),
  ) as Figures
