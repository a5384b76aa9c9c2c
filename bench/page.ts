import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { type Browser, type BrowserContext, type CDPSession, chromium, type Page } from 'playwright-core'
import { type Client, makeClient } from '../src/contract/client.ts'
import { sleep } from '../src/lib/clock.ts'
import { startFlow } from './flow.ts'
import { type BenchResult, type Culm, quantiles, round, withCulm } from './support.ts'

const executablePath = '/usr/bin/chromium'

type Options = { seconds: number; minutes: number; changes: number; only?: string[]; profiles?: string }

/**
 * The pages of the monitor in Chromium while 1,000 moves a second flow (`--changes=1000`), `--seconds=20` on each, or those of `--view=/w/results,/t`: what held the page up for
 * longer than 50 ms, the time of its frames, and its memory after collection at the beginning and the end. With `--minutes=10` the views are open at once for so long, and their
 * memory is looked at ten times. `--profiles=FOLDER` keeps what the page did as CPU profiles.
 */
export const run = async (said: Record<string, string | boolean>): Promise<BenchResult> => {
  if (!existsSync(executablePath)) throw new Error(`there is no ${executablePath}: apt-get install chromium`)
  const options: Options = {
    seconds: Number(said.seconds ?? 20),
    minutes: Number(said.minutes ?? 0),
    changes: Number(said.changes ?? 1000),
    only: typeof said.view === 'string' ? said.view.split(',') : undefined,
    profiles: typeof said.profiles === 'string' ? said.profiles : undefined,
  }
  return withCulm(
    async (culm) => {
      const { views, rate, stop } = await makeWork(culm, options.changes)
      const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] })
      try {
        const chosen = views.filter(({ name }) => options.only?.includes(name) ?? true)
        const session = await signIn(browser, culm)
        const changesPerSecond = rate()
        const result =
          options.minutes > 0
            ? await overMinutes(browser, session, chosen, options)
            : await oneByOne(browser, session, chosen, options)
        return withRate(result, changesPerSecond())
      } finally {
        await browser.close()
        await stop()
      }
    },
    ['--no-pilot'],
  )
}

type View = { name: string; address: string; prepare?: (page: Page) => Promise<void> }

type Work = {
  views: View[]
  /** Begins to count; what it gives tells how many changes a second there have been since. */
  rate: () => () => number
  stop: () => Promise<void>
}

/** The views that have the most to draw are measured first, while what they draw still grows. */
const makeWork = async (culm: Culm, changes: number): Promise<Work> => {
  const jobsPerSecond = changes / 2
  const flow = await startFlow(culm, {
    jobsPerSecond: 0.8 * jobsPerSecond,
    reportsPerSecond: jobsPerSecond,
    workflows: 2,
    kind: 'search',
  })
  const user = makeClient({ url: culm.url, token: culm.token })
  const [first, second] = flow.workflowIds
  const large = await submitLarge(user, second!)
  const last = await submitGraph(user, second!)
  while (flow.finished() < 30 * jobsPerSecond) await sleep(500)
  const { items } = await user.call('listJobs', { params: { id: last }, query: { limit: 1 } })
  const views = [
    { name: '/w/results', address: `${culm.url}/${first}/results` },
    { name: '/w/graph', address: `${culm.url}/${second}/graph` },
    { name: '/w/graph unfolded', address: `${culm.url}/${second}/graph`, prepare: unfold },
    { name: '/w', address: `${culm.url}/${first}` },
    { name: '/w/timeline', address: `${culm.url}/${first}/timeline` },
    { name: '/w/story', address: `${culm.url}/${first}/story` },
    { name: '/t', address: `${culm.url}/${large}` },
    { name: '/t/results', address: `${culm.url}/${large}/results` },
    { name: '/t/metrics', address: `${culm.url}/${large}/metrics` },
    { name: '/j', address: `${culm.url}/${items[0]!.id}` },
    { name: '/', address: `${culm.url}/` },
    ...['/workflows', '/errors', '/queues', '/reports'].map((name) => ({ name, address: culm.url + name })),
  ]
  const rate = () => {
    const [jobs, began] = [flow.finished(), performance.now()]
    return () => round((2000 * (flow.finished() - jobs)) / (performance.now() - began), 0)
  }
  const stop = async () => {
    await flow.stop()
    await user.close()
  }
  return { views, rate, stop }
}

const payload = { kind: 'command' as const, command: ['fit'] }
const [largeJobs, partJobs] = [60_000, 10_000]

/** A task that goes on for long: its jobs are run when nothing else waits. */
const submitLarge = async (user: Client, workflowId: `w${number}`): Promise<`t${number}`> => {
  const { taskId } = await user.call('submitTask', {
    body: { workflowId, name: 'scan', queue: 'local', payload, priority: 10, open: true, jobs: [] },
  })
  for (let firstIndex = 0; firstIndex < largeJobs; firstIndex += partJobs) {
    const jobs = Array.from({ length: partJobs }, (_, i) => ({ args: { text: `{"a":[${firstIndex + i}]}` } }))
    const close = firstIndex + partJobs >= largeJobs
    await user.call('addJobs', { params: { id: taskId }, body: { firstIndex, jobs, close } })
  }
  return taskId
}

const [layers, width] = [20, 150]

/** Three thousand tasks of one job, each after one of the layer before; the last of them. */
const submitGraph = async (user: Client, workflowId: `w${number}`): Promise<`t${number}`> => {
  let before: `t${number}`[] = []
  for (let layer = 0; layer < layers; layer++) {
    const submitOne = async (_: unknown, i: number) => {
      const after = before.length > 0 ? [before[(i * 7 + layer) % width]!] : []
      const jobs = [{ args: { text: `{"a":[${i}]}` } }]
      const body = { workflowId, name: `layer ${layer}`, queue: 'local', payload, after, jobs }
      return (await user.call('submitTask', { body })).taskId
    }
    before = await Promise.all(Array.from({ length: width }, submitOne))
  }
  return before.at(-1)!
}

const unfold = async (page: Page) => {
  await page.getByLabel('Fold tasks of one name').uncheck()
}

const signIn = async (browser: Browser, { url, token }: Culm): Promise<Session> => {
  const context = await browser.newContext()
  const page = await context.newPage()
  await page.goto(`${url}/#token=${token}`)
  await page.locator('h1').first().waitFor({ state: 'attached' })
  const session = await context.storageState()
  await context.close()
  return session
}
type Session = Awaited<ReturnType<BrowserContext['storageState']>>

/** Runs in the page from its beginning: what keeps it from drawing, and how long its frames take. */
const watch = `
  window.seen = { long: [], frames: [] };
  new PerformanceObserver((list) => { for (const { duration } of list.getEntries()) seen.long.push(duration) }).observe({ type: 'longtask', buffered: true });
  let before = performance.now();
  const frame = (now) => { seen.frames.push(now - before); before = now; requestAnimationFrame(frame) };
  requestAnimationFrame(frame);`

type Seen = { long: number[]; frames: number[] }

/** In a profile of its own, with nothing in its cache. */
const open = async (
  browser: Browser,
  storageState: Session,
  view: View,
  script?: string,
): Promise<{ page: Page; tools: CDPSession }> => {
  const context = await browser.newContext({ storageState, viewport: { width: 1200, height: 900 } })
  const page = await context.newPage()
  const tools = await context.newCDPSession(page)
  if (script) await page.addInitScript(script)
  await page.goto(view.address)
  await page.locator('h1').first().waitFor({ state: 'attached' })
  await view.prepare?.(page)
  return { page, tools }
}

const heapMb = async (tools: CDPSession): Promise<number> => {
  await tools.send('HeapProfiler.collectGarbage')
  return (await tools.send('Runtime.getHeapUsage')).usedSize / 1e6
}

const longest = (long: readonly number[]): number => Math.max(0, ...long)

type Measured = Seen & { view: string; firstPaintMs: number; comingUp: number[]; heaps: [number, number] }

const oneByOne = async (
  browser: Browser,
  session: Session,
  views: View[],
  { seconds, changes, profiles }: Options,
): Promise<BenchResult> => {
  const measured: Measured[] = []
  for (const view of views) {
    measured.push(await measure(browser, session, view, seconds, profiles))
    console.error(lineOf(measured.at(-1)!).join('  '))
  }
  return resultOf(measured, { seconds, changes })
}

/** From three seconds after it was opened; what it does to come up is told apart. */
const measure = async (
  browser: Browser,
  session: Session,
  view: View,
  seconds: number,
  profiles: string | undefined,
): Promise<Measured> => {
  const { page, tools } = await open(browser, session, view, watch)
  await sleep(3000)
  const firstPaintMs = (await page.evaluate(
    "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0",
  )) as number
  const before = await heapMb(tools)
  const comingUp = (await page.evaluate('const { long } = seen; seen.long = []; seen.frames = []; long')) as number[]
  if (profiles) await startProfile(tools)
  await sleep(seconds * 1000)
  const { long, frames } = (await page.evaluate('seen')) as Seen
  if (profiles) await keepProfile(tools, `${profiles}/${view.name.replace(/\W+/g, '-')}.cpuprofile`)
  const after = await heapMb(tools)
  await page.context().close()
  return { view: view.name, firstPaintMs, comingUp, long, frames, heaps: [before, after] }
}

const startProfile = async (tools: CDPSession) => {
  await tools.send('Profiler.enable')
  await tools.send('Profiler.start')
}

const keepProfile = async (tools: CDPSession, file: string) =>
  writeFile(file, JSON.stringify((await tools.send('Profiler.stop')).profile))

const lineOf = ({ view, firstPaintMs, comingUp, long, frames, heaps }: Measured): (string | number)[] => [
  view,
  round(firstPaintMs, 0),
  round(longest(comingUp), 0),
  long.length,
  round(longest(long), 0),
  round(quantiles(frames).p95, 1),
  ...heaps.map((mb) => round(mb, 1)),
]

const withRate = (result: BenchResult, changesPerSecond: number): BenchResult => ({
  ...result,
  json: { ...result.json, changesPerSecond },
  notes: [...(result.notes ?? []), `There were ${changesPerSecond.toLocaleString('en')} changes a second meanwhile.`],
})

const sharedNote =
  'Chromium, server, PostgreSQL and the flow share the machine. One workflow has more than 3,000 tasks, and one of its tasks 60,000 jobs; jobs tell a loss, and one of 200 fails.'

const resultOf = (measured: Measured[], { seconds, changes }: { seconds: number; changes: number }): BenchResult => {
  const long = measured.flatMap((one) => one.long)
  return {
    title: `Pages of the monitor at ${changes.toLocaleString('en')} changes a second`,
    columns: [
      'page',
      'first paint ms',
      'longest task as it comes up ms',
      'tasks > 50 ms',
      'longest ms',
      'frame p95 ms',
      'heap MB',
      `after ${seconds} s`,
    ],
    rows: measured.map(lineOf),
    json: {
      seconds,
      changes,
      longTasks: long.length,
      longestMs: round(longest(long), 0),
      frameP95Ms: round(Math.max(...measured.map(({ frames }) => quantiles(frames).p95)), 1),
      firstPaintMs: round(Math.max(...measured.map((one) => one.firstPaintMs)), 0),
      heapGrowthMb: round(Math.max(...measured.map(({ heaps: [before, after] }) => after - before)), 1),
    },
    notes: [
      sharedNote,
      'Each page is opened with nothing cached. Tasks and frames are counted from three seconds after that; memory is that of JavaScript after a full collection.',
    ],
  }
}

const looks = 10

/** All at once: what one keeps is the same, however busy the machine is. */
const overMinutes = async (
  browser: Browser,
  session: Session,
  views: View[],
  { minutes, changes }: Options,
): Promise<BenchResult> => {
  const opened: { name: string; tools: CDPSession; heaps: number[] }[] = []
  for (const view of views) opened.push({ name: view.name, ...(await open(browser, session, view)), heaps: [] })
  const began = performance.now()
  for (let look = 0; look <= looks; look++) {
    await sleep(Math.max(5000, began + (look * minutes * 60_000) / looks - performance.now()))
    for (const { tools, heaps } of opened) heaps.push(round(await heapMb(tools), 1))
    console.error(opened.map(({ name, heaps }) => `${name} ${heaps.at(-1)}`).join('  '))
  }
  const growth = opened.map(({ heaps }) => heaps.at(-1)! - heaps[looks / 2]!)
  return {
    title: `Memory of the monitor's pages over ${minutes} minutes at ${changes.toLocaleString('en')} changes a second`,
    variant: 'memory',
    columns: ['page', ...Array.from({ length: looks + 1 }, (_, look) => `${round((look * minutes) / looks, 1)} min`)],
    rows: opened.map(({ name, heaps }) => [name, ...heaps]),
    json: { minutes, changes, growthOfSecondHalfMb: round(Math.max(...growth), 1) },
    notes: [sharedNote, 'MB of JavaScript after a full collection, of pages that are open all the time, all at once.'],
  }
}
