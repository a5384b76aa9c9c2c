import { Agent } from 'undici'
import { sleep } from '../src/lib/clock.ts'
import { startFlow } from './flow.ts'
import { secondsByRole } from './processTimes.ts'
import { type BenchResult, type Culm, quantiles, round, withCulm } from './support.ts'

/**
 * Many who look at one experiment (`--viewers=200`), over HTTP to one server, while 1,000 moves a second flow through it (`--changes=1000`): what they cost the server, as a share
 * of one core, by spans of `--seconds=12` with and without them in turns, and what they get: frames, and how old a frame is when it is read.
 */
export const run = (options: Record<string, string | boolean>): Promise<BenchResult> => {
  const viewers = Number(options.viewers ?? 200)
  const seconds = Number(options.seconds ?? 12)
  const changes = Number(options.changes ?? 1000)
  const rounds = Number(options.rounds ?? 3)
  return withCulm(
    async (culm) => {
      const flow = await startFlow(culm, { jobsPerSecond: changes / 2 })
      await sleep(5000)
      const spans: Span[] = []
      for (let i = 0; i < rounds; i++)
        for (const watched of [0, viewers]) {
          spans.push(await measure(culm, watched, seconds, flow.finished))
          console.error(`${watched} viewers: ${round(100 * spans.at(-1)!.share, 1)} % of one core`)
        }
      await flow.stop()
      return resultOf(spans, { viewers, seconds, changes })
    },
    ['--no-pilot'],
  )
}

type Span = {
  viewers: number
  share: number
  jobsPerSecond: number
  framesPerSecond: number
  bytes: number
  lags: number[]
}

/** `share` is of one core, of the process that serves. */
const measure = async (culm: Culm, viewers: number, seconds: number, finished: () => number): Promise<Span> => {
  const gone = new AbortController()
  const agent = new Agent({ connections: viewers + 1, bodyTimeout: 0 })
  const seen = { frames: 0, bytes: 0, lags: [] as number[] }
  const looking = Array.from({ length: viewers }, (_, i) => look(culm, agent, seen, i % 20 === 0, gone.signal))
  await sleep(2000)
  Object.assign(seen, { frames: 0, bytes: 0, lags: [] })
  const before = { cpu: serverSeconds(), jobs: finished(), at: performance.now() }
  await sleep(seconds * 1000)
  const took = (performance.now() - before.at) / 1000
  const share = (serverSeconds() - before.cpu) / took
  gone.abort()
  await Promise.all(looking)
  await agent.close()
  return {
    viewers,
    share: round(share, 3),
    jobsPerSecond: round((finished() - before.jobs) / took, 0),
    framesPerSecond: viewers > 0 ? round(seen.frames / took / viewers, 2) : 0,
    bytes: seen.frames > 0 ? round(seen.bytes / seen.frames, 0) : 0,
    lags: seen.lags,
  }
}

const serverSeconds = (): number => secondsByRole().get('server') ?? 0

/** Counts what comes; only some read the time of each frame, since reading it costs more than receiving it. */
const look = async (
  { url, token }: Culm,
  agent: Agent,
  seen: { frames: number; bytes: number; lags: number[] },
  isReader: boolean,
  signal: AbortSignal,
): Promise<void> => {
  try {
    const headers = { authorization: `Bearer ${token}` }
    const { body } = await agent.request({ origin: url, path: '/v1/stream', method: 'GET', headers, signal })
    for await (const part of body as AsyncIterable<Buffer>) {
      seen.bytes += part.length
      const begins = part.indexOf('event: frame') >= 0
      if (begins) seen.frames++
      const [, at] = isReader && begins ? (/"at":"([^"]+)","ended"/.exec(part.toString()) ?? []) : []
      if (at) seen.lags.push(Date.now() - Date.parse(at))
    }
  } catch (error) {
    if (!signal.aborted) throw error
  }
}

const resultOf = (
  spans: Span[],
  { viewers, seconds, changes }: { viewers: number; seconds: number; changes: number },
): BenchResult => {
  const mean = (watched: number, of: (span: Span) => number) => {
    const its = spans.filter((span) => span.viewers === watched).map(of)
    return its.reduce((a, b) => a + b, 0) / its.length
  }
  const share = (watched: number) => mean(watched, (span) => span.share)
  const addedShare = round(share(viewers) - share(0), 3)
  const lag = quantiles(spans.flatMap(({ lags }) => lags))
  const line = (watched: number) => [
    watched,
    round(100 * share(watched), 1),
    round(
      mean(watched, (span) => span.jobsPerSecond),
      0,
    ),
    round(
      mean(watched, (span) => span.framesPerSecond),
      2,
    ),
    round(
      mean(watched, (span) => span.bytes),
      0,
    ),
  ]
  return {
    title: `${viewers} viewers of one experiment at ${changes.toLocaleString('en')} changes a second`,
    columns: ['viewers', 'server, % of one core', 'jobs/s', 'frames/s of each', 'bytes of a frame'],
    rows: [line(0), line(viewers)],
    json: {
      viewers,
      changes,
      addedShare,
      framesPerSecond: line(viewers)[3],
      lagP50Ms: lag.p50,
      lagP95Ms: lag.p95,
      shares: spans.map(({ viewers: watched, share: its }) => [watched, its]),
    },
    notes: [
      `The viewers added ${round(100 * addedShare, 1)} % of one core to the server (API and agents in one process), by spans of ${seconds} s in turns. A frame was ${lag.p50} ms old when it was read, ${lag.p95} ms at the 95th percentile, from the time that stands in it.`,
    ],
  }
}
