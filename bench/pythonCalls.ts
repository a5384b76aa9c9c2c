import path from 'node:path'
import { megabytesByRole } from './processTimes.ts'
import { type BenchResult, median, outputOf, quantiles, round, withCulm } from './support.ts'

/** Maps of the smallest size in each round: they are short, and the figure is their median. */
const smallMaps = 7

type Maps = { ms: number[]; peakMb: number }
type Round = { callMs: number[]; maps: Map<number, Maps>; serverGrowthMb: number }

/**
 * What a caller in Python gets: warm calls, one at a time; maps of 1,000, 10,000 and 100,000 functions that do nothing, and so whether a call costs the same in each;
 * what the largest takes of the memory of the program that calls and of the server. `--rounds=N`, `--calls=N`, `--warm=N`, `--large=N`, `--slots=S`.
 */
export const run = (options: Record<string, string | boolean>): Promise<BenchResult> => {
  const number = (name: string, otherwise: number) => Number(options[name] ?? otherwise)
  const [rounds, calls, warm, large] = [
    number('rounds', 3),
    number('calls', 400),
    number('warm', 1000),
    number('large', 100_000),
  ]
  const sizes = [1000, 10_000, large]
  return withCulm(
    async ({ env }) => {
      const withClient = { ...env, PYTHONPATH: path.resolve('python') }
      const program = async <T>(name: string, ...numbers: number[]): Promise<T> =>
        JSON.parse(await outputOf('python3', [`bench/programs/${name}.py`, ...numbers.map(String)], withClient))
      await program<Maps>('maps', sizes[1]!, 1)
      const results: Round[] = []
      for (let i = 0; i < rounds; i++) {
        const callMs = await program<number[]>('calls', calls, warm)
        const maps = new Map<number, Maps>()
        for (const size of sizes.slice(0, -1))
          maps.set(size, await program('maps', size, size === 1000 ? smallMaps : 1))
        const { value, growthMb } = await serverGrowth(() => program<Maps>('maps', large, 1))
        results.push({ callMs, maps: maps.set(large, value), serverGrowthMb: growthMb })
        console.error(`round ${i + 1}/${rounds}: 1,000 in ${round(median(maps.get(1000)!.ms), 0)} ms`)
      }
      return resultOf(sizes, results)
    },
    [`--slots=${options.slots ?? 4}`],
  )
}

/** By how much the server's memory is larger than before at any time while something is done, MB. */
const serverGrowth = async <T>(act: () => Promise<T>): Promise<{ value: T; growthMb: number }> => {
  const before = serverMb()
  let most = before
  const look = () => {
    most = Math.max(most, serverMb())
  }
  const sampling = setInterval(look, 500)
  try {
    const value = await act()
    look()
    return { value, growthMb: most - before }
  } finally {
    clearInterval(sampling)
  }
}

const serverMb = (): number => {
  const megabytes = megabytesByRole().get('server')
  if (!megabytes) throw new Error('the memory of the server cannot be read: there is no such process below this one')
  return megabytes
}

const resultOf = (sizes: number[], results: Round[]): BenchResult => {
  const { p50, p95, p99 } = quantiles(results.flatMap(({ callMs }) => callMs))
  const maps = sizes.map((size) => {
    const ms = results.flatMap((result) => result.maps.get(size)!.ms)
    const peakMb = Math.max(...results.map((result) => result.maps.get(size)!.peakMb))
    return { size, ms: median(ms), spread: [Math.min(...ms), Math.max(...ms)], peakMb }
  })
  const serverGrowthMb = round(Math.max(...results.map((result) => result.serverGrowthMb)), 0)
  const clientMb = round(maps.at(-1)!.peakMb, 0)
  return {
    title: 'Calls from Python',
    columns: ['', 'ms', 'spread', 'ms a call', 'memory of the caller, MB'],
    rows: [
      ['a warm call, p50', round(p50), '', round(p50), ''],
      ['p95', round(p95), '', '', ''],
      ['p99', round(p99), '', '', ''],
      ...maps.map(({ size, ms, spread, peakMb }) => [
        `a map of ${size.toLocaleString('en')}`,
        round(ms, 0),
        spread.map((x) => round(x, 0)).join('–'),
        round(ms / size, 3),
        round(peakMb, 0),
      ]),
    ],
    json: {
      p50Ms: round(p50),
      p95Ms: round(p95),
      p99Ms: round(p99),
      map1000Ms: round(maps[0]!.ms, 0),
      clientMb,
      serverGrowthMb,
      perCallMs: Object.fromEntries(maps.map(({ size, ms }) => [size, round(ms / size, 3)])),
      rounds: results.length,
    },
    notes: [
      '`synchronous_commit = on`; server, agents, PostgreSQL, pilot, runners and caller share the machine. Medians of the rounds; memory of the caller is the peak of its process, at its highest.',
      `While the largest map ran, the server's own memory was at most ${serverGrowthMb} MB above what it had been before.`,
    ],
  }
}
