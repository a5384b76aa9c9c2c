import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import pg from 'pg'
import { megabytesByRole } from './processTimes.ts'
import { type BenchResult, outputOf, quantiles, round, withCulm } from './support.ts'

type Map1000 = { due: number; took: number }
/** `heapMb`: what lives in the server's heap, and what is not yet collected of it: its lowest in a span is what lives. */
type Sample = { at: number; megabytes: Map<string, number>; heapMb: number }

/**
 * At half of the rate that this machine reaches, for `--minutes=30`, with a transaction held open from the tenth minute to the fifteenth (from a third to a half
 * of shorter runs): does it keep up, and does memory stay flat?
 */
export const run = (options: Record<string, string | boolean>): Promise<BenchResult> => {
  const minutes = Number(options.minutes ?? 30)
  return withCulm(
    async ({ env, url, databaseUrl }) => {
      const program = (...args: (string | number)[]) =>
        outputOf('node_modules/.bin/tsx', ['bench/programs/runNoop.ts', ...args.map(String)], env)
      await program('maps', 20_000, 1000, 8)
      const full = 40_000 / Number(await program('maps', 40_000, 1000, 8))
      const rate = Number(options.rate ?? Math.floor(full / 2))
      const held = { from: minutes * 20, until: minutes * 30 }
      console.error(`${round(full, 0)} jobs/s at most; soaking at ${rate} jobs/s for ${minutes} minutes`)
      const maps: Map1000[] = []
      const samples: Sample[] = []
      const began = performance.now()
      const now = () => (performance.now() - began) / 1000
      const sampling = setInterval(async () => {
        const heapMb = await heapOf(url)
        samples.push({ at: now(), megabytes: megabytesByRole(), heapMb })
      }, 5000)
      const holding = holdTransaction(databaseUrl, held)
      const driver = spawn('node_modules/.bin/tsx', ['bench/programs/soak.ts', String(rate), String(minutes * 60)], {
        env,
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      for await (const line of createInterface(driver.stdout!)) maps.push(JSON.parse(line) as Map1000)
      clearInterval(sampling)
      await holding
      return resultOf({ minutes, rate, full, held, maps, samples })
    },
    [`--slots=${options.slots ?? 4}`],
  )
}

/** The used part of the heap of the server, MB, as its metrics say. */
const heapOf = async (url: string): Promise<number> => {
  const metrics = await (await fetch(`${url}/metrics`)).text()
  return Number(/^nodejs_heap_size_used_bytes (\S+)$/m.exec(metrics)![1]) / 2 ** 20
}

/** Keeps every dead row alive for a while, as somebody's forgotten session does. */
const holdTransaction = async (
  databaseUrl: string,
  { from, until }: { from: number; until: number },
): Promise<void> => {
  await new Promise((resolve) => setTimeout(resolve, from * 1000))
  const client = new pg.Client(databaseUrl)
  await client.connect()
  await client.query('begin isolation level repeatable read')
  await client.query('select count(*) from task')
  await new Promise((resolve) => setTimeout(resolve, (until - from) * 1000))
  await client.query('rollback')
  await client.end()
}

type Soaked = {
  minutes: number
  rate: number
  full: number
  held: { from: number; until: number }
  maps: Map1000[]
  samples: Sample[]
}

const resultOf = ({ minutes, rate, full, held, maps, samples }: Soaked): BenchResult => {
  const spans = Array.from({ length: 6 }, (_, i) => ({
    from: (i * minutes * 60) / 6,
    until: ((i + 1) * minutes * 60) / 6,
  }))
  const rows = spans.map(({ from, until }) => {
    const ended = maps.filter(({ due, took }) => due + took >= from && due + took < until)
    const { p50, p95 } = quantiles(maps.filter(({ due }) => due >= from && due < until).map(({ took }) => took))
    const within = samples.filter(({ at }) => at >= from && at < until)
    const megabytes = (role: string) => round(quantiles(within.map((one) => one.megabytes.get(role) ?? 0)).p50, 0)
    return {
      span: `${round(from / 60, 1)}–${round(until / 60, 1)}${from < held.until && until > held.from ? ', a transaction open' : ''}`,
      isHeld: from < held.until && until > held.from,
      perSecond: round((ended.length * 1000) / (until - from), 0),
      p50: round(p50),
      p95: round(p95),
      memory: ['server', 'pilot', 'runners', 'postgres'].map(megabytes),
      heap: round(Math.min(...within.map((one) => one.heapMb)), 1),
    }
  })
  const free = rows.filter(({ isHeld }) => !isHeld)
  const decay = round(Math.max(...free.map(({ perSecond }) => 1 - perSecond / rate)), 3)
  const growth = (i: number) => round(rows.at(-1)!.memory[i]! / rows[1]!.memory[i]! - 1, 3)
  const heapGrowth = round(rows.at(-1)!.heap / rows[1]!.heap - 1, 3)
  return {
    ...(minutes === 30 ? {} : { variant: minutes }),
    title: `Soak: ${minutes} minutes at ${rate} jobs/s`,
    columns: [
      'minutes',
      'jobs/s',
      'a map of 1,000: p50 s',
      'p95 s',
      'server MB',
      'its heap MB',
      'pilot MB',
      'runners MB',
      'PostgreSQL MB',
    ],
    rows: rows.map(({ span, perSecond, p50, p95, memory: [server, ...others], heap }) => [
      ...[span, perSecond, p50, p95],
      ...[server!, heap, ...others],
    ]),
    json: { minutes, rate, full: round(full, 0), decay, serverGrowth: growth(0), heapGrowth, pilotGrowth: growth(1) },
    notes: [
      `Half of ${round(full, 0)} jobs/s. Outside the time with the open transaction the rate fell by ${round(decay * 100, 1)} % at most; memory from the second sixth to the last: server ${round(growth(0) * 100, 1)} %, what lives in its heap ${round(heapGrowth * 100, 1)} %, pilot ${round(growth(1) * 100, 1)} %.`,
    ],
  }
}
