import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import axe from 'axe-core'
import { type BrowserContext, chromium, type Page, type Request } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Client } from '../../src/contract/client.ts'
import type { ClaimReply, Report } from '../../src/contract/pilots.ts'
import { ensurePerson, makeOperator } from '../../src/store/people.ts'
import { eventually, startTestServer, type TestServer } from '../support/server.ts'

const executablePath = '/usr/bin/chromium'
const isMissing = !existsSync(executablePath)

let server: TestServer
let browser: BrowserContext
/** What the browser complained about: script errors, refused resources, violations of the page's content security policy. */
let complaints: string[]

const startBrowser = async () => {
  const profile = await mkdtemp(path.join(tmpdir(), 'culm-chromium-'))
  const flags = [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ]
  browser = await chromium.launchPersistentContext(profile, {
    executablePath,
    headless: true,
    args: flags,
    viewport: { width: 1200, height: 900 },
  })
  browser.setDefaultTimeout(15_000)
  afterAll(async () => {
    await browser.close()
    await rm(profile, { recursive: true, force: true })
  })
}

const newPage = async (): Promise<Page> => {
  const page = await browser.newPage()
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text())
  })
  page.on('pageerror', (error) => complaints.push(String(error)))
  return page
}

const signedIn = async (place = '/'): Promise<Page> => {
  const page = await newPage()
  await page.goto(`${server.url}/#token=${server.userToken}`)
  // The cookie comes with an answer, which a page that is left does not wait for.
  if (place !== '/') {
    await page.getByRole('link', { name: 'Workflows', exact: true }).waitFor()
    await visit(page, place)
  }
  return page
}

const visit = (page: Page, place: string) => page.goto(`${server.url}${place}`)

const rowsOf = (page: Page, table: string) => page.getByRole('table', { name: table, exact: true }).locator('tbody tr')

/** Waits until the page shows this text somewhere in its content. */
const shows = (page: Page, text: string | RegExp) => page.locator('main').getByText(text).first().waitFor()

/** From here on only the stream brings news of a workflow: what is asked for gets no answer. */
const holdAnswers = (page: Page) => page.route(/\/v1\/(workflows\/w\d+|tasks\?.*)$/, () => {})

/** What axe finds in the page as it is. */
const violationsIn = async (page: Page) => {
  await page.evaluate(axe.source)
  const { violations } = (await page.evaluate('axe.run()')) as axe.AxeResults
  return violations.map(({ id, nodes }) => [id, nodes[0]!.html])
}

/**
 * What was drawn and then moved, as the browser counts it: shares of the window times the way they went, and what it was. What waits for an answer above it does so for as long as a
 * slow machine takes.
 */
const watchShifts = `
  const patience = new CSSStyleSheet()
  patience.replaceSync('.pending ~ * { animation-duration: 60s !important }')
  document.adoptedStyleSheets = [patience]
  window.shifts = []
  new PerformanceObserver((list) => {
    for (const { value, sources } of list.getEntries())
      shifts.push([value, ...sources.map(({ node, previousRect: from, currentRect: to }) => [node?.nodeName, node?.className, node?.textContent?.slice(0, 40), from.top, to.top].join(' '))])
  }).observe({ type: 'layout-shift', buffered: true })`

const frames = (page: Page, n: number) =>
  page.evaluate(
    `new Promise((done) => { let left = ${n}; const frame = () => (left-- > 0 ? requestAnimationFrame(frame) : done()); frame() })`,
  )

/** Each answer comes alone, some frames after the one before. What it gives waits until nothing more is asked for. */
const oneAfterTheOther = async (page: Page) => {
  let turn = Promise.resolve()
  await page.route(/\/v1\/(?!.*stream)/, (route) => {
    turn = turn.then(async () => {
      await frames(page, 3).catch(() => {})
      await route.continue().catch(() => {})
    })
  })
  return async () => {
    for (let before: unknown; before !== turn; ) {
      before = turn
      await turn
      await frames(page, 30)
    }
  }
}

/** Every page there is. */
const placesOf = (workflowId: string, taskId: string, jobIds: string[], trouble: string): string[] => [
  ...['/', '/workflows', '/errors', `/errors/${trouble}`, '/queues', '/queues/local', '/reports', '/users'],
  ...['', '/graph', '/timeline', '/results', '/story'].map((view) => `/${workflowId}${view}`),
  ...['', '/results', '/metrics'].map((view) => `/${taskId}${view}`),
  ...jobIds.map((id) => `/${id}`),
]

const text = (value: unknown) => ({ text: JSON.stringify(value) })
const command = { kind: 'command' as const, command: ['true'] }

const made: `w${number}`[] = []
const newWorkflow = async (name: string) => {
  const { workflowId } = await server.user.call('createWorkflow', { body: { name, kind: 'tasks' } })
  made.push(workflowId)
  return workflowId
}
/** Nothing of a test waits for the pilot of the next one. */
const cancelRest = () =>
  Promise.all(
    made
      .splice(0)
      .map((id) =>
        server.user
          .call('cancelWorkflow', { params: { id }, body: {} })
          .catch((error) => expect(error.code).toBe('not_cancellable')),
      ),
  )
const submit = (workflowId: `w${number}`, n: number, more: object = {}) =>
  server.user.call('submitTask', {
    body: {
      workflowId,
      name: 'a task',
      payload: command,
      jobs: Array.from({ length: n }, (_, i) => ({ args: text({ a: [i] }) })),
      ...more,
    },
  })

/** A queue of its own, at a site of its own. Gives what its pilots call the server with. */
const newQueue = async (name: string) => {
  const { db, clock } = server.engine
  const operator = await server.person('ada')
  await makeOperator(db, await ensurePerson(db, { experimentId: 1, name: 'ada', admin: false, now: clock() }))
  await operator.call('createQueue', { body: { name, site: `site-of-${name}` } })
  const { token } = await operator.call('createToken', { body: { queue: name } })
  return { queue: name, client: server.client(token) }
}

let pilots = 0
/** A pilot that is none: it claims by the API, and reports what the test says. */
const withPilot = async (
  act: (pilot: Awaited<ReturnType<typeof newPilot>>) => Promise<void>,
  place = { queue: 'local', client: server.pilot },
) => {
  const pilot = await newPilot(place)
  try {
    await act(pilot)
  } finally {
    await pilot.leave()
  }
}
const newPilot = async ({ queue, client }: { queue: string; client: Client }) => {
  const { pilotId, epoch } = await client.call('registerPilot', {
    body: { name: `pilot-${++pilots}`, queue, slots: 100, host: 'node7', version: '1' },
  })
  let claimSeq = 0
  const params = { id: pilotId }
  return {
    take: async (taskId: string, n: number) => {
      const taken: ClaimReply['jobs'] = []
      while (taken.length < n) {
        const { jobs } = await client.call('claim', {
          params,
          body: { epoch, claimSeq: ++claimSeq, cores: 100, jobs: n - taken.length, waitSeconds: 10 },
        })
        expect(jobs.every((job) => job.taskId === taskId)).toBe(true)
        taken.push(...jobs)
      }
      return taken
    },
    report: (...reports: Report[]) => client.call('report', { params, body: { epoch, reports } }),
    print: ({ jobId, attempt }: { jobId: `j${number}`; attempt: number }, offset: number, words: string) =>
      client.call('sendLogs', {
        params,
        body: { epoch, chunks: [{ jobId, attempt, stream: 'stdout', offset, text: words }] },
      }),
    used: ({ jobId, attempt }: Held, ...points: [seconds: number, memoryMb: number, cores: number][]) =>
      client.call('sendTold', { params, body: { epoch, courses: [{ jobId, attempt, points }] } }),
    measured: ({ jobId, attempt }: Held, name: string, ...values: number[]) =>
      client.call('sendTold', {
        params,
        body: { epoch, metrics: values.map((value, step) => ({ jobId, attempt, name, step, value })) },
      }),
    leave: () => client.call('leavePilot', { params, body: { epoch } }),
  }
}
type Held = { jobId: `j${number}`; attempt: number }
const finished = ({ jobId, attempt }: Held, value: unknown): Report => ({
  jobId,
  attempt,
  what: 'finished',
  value: text(value),
})
const failed = ({ jobId, attempt }: Held, error: Report['error']): Report => ({
  jobId,
  attempt,
  what: 'failed',
  cause: 'user',
  exitCode: 1,
  error,
})

describe.skipIf(isMissing)(
  `the monitor in a real browser${isMissing ? ` (skipped: there is no ${executablePath}; apt-get install chromium)` : ''}`,
  () => {
    beforeAll(async () => {
      server = await startTestServer()
      await startBrowser()
    })
    beforeEach(() => {
      complaints = []
    })
    afterEach(async () => {
      await cancelRest()
      for (const page of browser.pages().slice(1)) await page.close()
      expect(complaints).toEqual([])
    })

    test('without a session it says where its link comes from, and asks the server for nothing else', async () => {
      await browser.clearCookies()
      const page = await newPage()
      const asked: string[] = []
      page.on('request', (request: Request) => asked.push(new URL(request.url()).pathname))
      await page.goto(server.url)
      await shows(page, 'culm open')
      expect(asked.filter((path) => path !== '/' && !path.startsWith('/assets/'))).toEqual(['/v1/session'])
      complaints = complaints.filter((words) => !words.includes('401'))
    })

    test('the link signs in: the token leaves the address for a cookie that no script sees, and is kept nowhere', async () => {
      const page = await signedIn()
      await page.getByRole('link', { name: 'Workflows', exact: true }).waitFor()
      expect(page.url()).toBe(`${server.url}/`)
      await page.reload()
      await page.getByRole('link', { name: 'Workflows', exact: true }).waitFor()
      expect(await page.evaluate('JSON.stringify([localStorage, sessionStorage]) + document.cookie')).toBe('[{},{}]')
      expect(await page.evaluate('document.documentElement.outerHTML')).not.toContain(server.userToken)
      const [cookie] = await browser.cookies(server.url)
      expect(cookie).toMatchObject({ name: 'culm_session', httpOnly: true, sameSite: 'Strict', path: '/' })
    })

    test('a token that the server does not know leads to the same advice', async () => {
      await browser.clearCookies()
      const page = await newPage()
      await page.goto(`${server.url}/#token=unknown`)
      await shows(page, 'culm open')
      complaints = complaints.filter((words) => !words.includes('401'))
    })

    test('a tab opened from a link in another is signed in as well, and both are signed out together', async () => {
      const workflowId = await newWorkflow('seen from two tabs')
      const first = await signedIn()
      await shows(first, 'seen from two tabs')
      const second = await newPage()
      await visit(second, `/${workflowId}`)
      await second.getByRole('heading', { name: 'seen from two tabs' }).waitFor()
      await second.getByRole('button', { name: 'Sign out' }).click()
      for (const page of [first, second]) await shows(page, 'culm open')
      complaints = complaints.filter((words) => !words.includes('401'))
    })

    test('a server on which nothing has run teaches the first command', async () => {
      const page = await newPage()
      await page.route('**/v1/overview', async (route) => {
        const json = await (await route.fetch()).json()
        await route.fulfill({ json: { ...json, active: [], ended: [], failing: [] } })
      })
      await page.goto(`${server.url}/#token=${server.userToken}`)
      await shows(page, 'culm submit -- echo hello')
    })

    test('a workflow is listed with its numbers, and its bars move under the same nodes while a pilot finishes its jobs', async () => {
      const workflowId = await newWorkflow('a search for the best')
      const { taskId } = await submit(workflowId, 8, { name: 'try' })
      await withPilot(async (pilot) => {
        const jobs = await pilot.take(taskId, 8)
        const page = await signedIn()
        const line = page.locator('main tr', { hasText: 'a search for the best' })
        await line.getByText('0/8').waitFor()
        await line.getByRole('link').click()
        const task = rowsOf(page, 'Tasks')
        await task.getByText('0/8').waitFor()
        await holdAnswers(page)
        await page.evaluate(
          "document.querySelector('[aria-label=Tasks] tbody tr').mark = 1; getSelection().selectAllChildren(document.querySelector('h1'))",
        )

        await pilot.report(
          finished(jobs[0]!, { loss: 0.5 }),
          finished(jobs[1]!, { loss: 0.25 }),
          finished(jobs[2]!, { loss: 0.75 }),
        )
        await task.getByText('3/8').waitFor()
        await task.getByText('best loss 0.25').waitFor()
        await page.getByRole('img', { name: '3 finished, 5 ' }).first().waitFor()

        await pilot.report(
          failed(jobs[3]!, { type: 'FitError', message: 'no minimum' }),
          ...jobs.slice(4).map((job) => finished(job, { loss: 1 })),
        )
        await task.getByText('FitError: no minimum').waitFor()
        await task.getByText('finished', { exact: true }).waitFor()
        expect(
          await page.evaluate("[document.querySelector('[aria-label=Tasks] tbody tr').mark, String(getSelection())]"),
        ).toEqual([1, 'a search for the best'])
      })
    })

    test('lists are told what changes: a new workflow comes, its numbers move and it leaves the filter it no longer fits, without a question', async () => {
      const page = await signedIn('/workflows?state=running')
      const line = page.locator('main tr', { hasText: 'told to the list' })
      await shows(page, 'Workflows')
      const workflowId = await newWorkflow('told to the list')
      await line.waitFor()
      // From here on only the stream brings news.
      await page.route(/\/v1\/workflows\?/, () => {})
      const { taskId } = await submit(workflowId, 3)
      await line.getByText('0/3').waitFor()
      await withPilot(async (pilot) => {
        const jobs = await pilot.take(taskId, 3)
        await pilot.report(...jobs.map((job) => finished(job, 1)))
      })
      await line.getByText('3/3').waitFor()
      await server.user.call('closeWorkflow', { params: { id: workflowId } })
      await line.waitFor({ state: 'detached' })
    })

    test('a tab has one stream, whatever pages come and go in it', async () => {
      await newWorkflow('one stream')
      const page = await signedIn()
      const open = () => server.engine.viewers.size + server.engine.hub.size
      await eventually(async () => open() === 1 && server.engine.viewers.size === 1, 'the stream of the experiment')
      await page.getByRole('link', { name: 'one stream' }).first().click()
      await eventually(async () => open() === 1 && server.engine.hub.size === 1, 'that of the workflow instead')
      await page.getByRole('link', { name: 'Queues', exact: true }).click()
      await eventually(async () => open() === 1 && server.engine.viewers.size === 1, 'that of the experiment again')
    })

    test('a stream that ends is opened again where it broke off', async () => {
      const workflowId = await newWorkflow('broken off')
      const { taskId } = await submit(workflowId, 1)
      await withPilot(async (pilot) => {
        const [job] = await pilot.take(taskId, 1)
        const page = await signedIn()
        const resumedAt: (string | undefined)[] = []
        await page.route('**/stream?*', (route) => {
          resumedAt.push(route.request().headers()['last-event-id'])
          if (resumedAt.length > 1) return route.continue()
          return route.fulfill({ contentType: 'text/event-stream', body: 'id: 0-0\nevent: ping\ndata: {}\n\n' })
        })
        await visit(page, `/${workflowId}`)
        await rowsOf(page, 'Tasks').getByText('0/1').waitFor()
        await eventually(async () => resumedAt.length === 2, 'it was opened again')
        expect(resumedAt).toEqual([undefined, '0-0'])
        await holdAnswers(page)
        await pilot.report(finished(job!, 'told by the second stream'))
        await rowsOf(page, 'Tasks').getByText('told by the second stream').waitFor()
      })
    })

    test('while the server does not answer the page says so, and afterwards shows what happened meanwhile', async () => {
      const workflowId = await newWorkflow('cut off')
      const { taskId } = await submit(workflowId, 2)
      await withPilot(async (pilot) => {
        const jobs = await pilot.take(taskId, 2)
        const page = await signedIn(`/${workflowId}`)
        await rowsOf(page, 'Tasks').getByText('0/2').waitFor()
        await browser.setOffline(true)
        await page.getByText('no answer, trying again').waitFor()
        await pilot.report(finished(jobs[0]!, 'while away'))
        await browser.setOffline(false)
        await rowsOf(page, 'Tasks').getByText('1/2').waitFor()
        await pilot.report(finished(jobs[1]!, 'when back'))
        await rowsOf(page, 'Tasks').getByText('2/2').waitFor()
        complaints = complaints.filter((words) => !words.includes('ERR_INTERNET_DISCONNECTED'))
      })
    })

    test('what a job prints comes as it is printed; when it fails, its traceback and the cause are there', async () => {
      const { taskId } = await submit(await newWorkflow('prints and fails'), 1)
      await withPilot(async (pilot) => {
        const [job] = await pilot.take(taskId, 1)
        await pilot.print(job!, 0, 'reading run 1\n')
        const page = await signedIn(`/${job!.jobId}`)
        const log = page.getByRole('log')
        await log.getByText('reading run 1').waitFor()
        await pilot.print(job!, 14, 'reading run 2\n')
        await log.getByText('reading run 2').waitFor()
        await pilot.report(
          failed(job!, {
            type: 'ValueError',
            message: 'empty run',
            stack: 'Traceback\n  File "fit.py", line 7\nValueError: empty run',
          }),
        )
        await shows(page, 'its own code failed')
        await shows(page, 'File "fit.py", line 7')
        await page.getByRole('cell', { name: 'exit code 1' }).waitFor()
        expect(await log.textContent()).toBe('reading run 1\nreading run 2\n')
      })
    })

    test('memory and cores of a job are drawn as it goes on, of the attempt that is chosen, beside what it may have', {
      timeout: 60_000,
    }, async () => {
      const more = { cores: 2, memoryMb: 1000, attempts: { user: 2 } }
      const { taskId, firstJobId } = await submit(await newWorkflow('grows'), 1, more)
      await withPilot(async (pilot) => {
        const [first] = await pilot.take(taskId, 1)
        const page = await signedIn(`/${firstJobId}`)
        await page.getByRole('heading', { name: 'Attempts' }).waitFor()
        expect(await page.getByRole('heading', { name: 'Resources' }).count()).toBe(0)
        await pilot.used(first!, [5, 100, 0.5], [10, 400, 1.75])
        const chart = (name: string) => page.getByRole('img', { name, exact: true }).waitFor()
        await chart('Attempt 1, memory: 400 MB at most, of 1000, over 10 s')
        await chart('Attempt 1, cores: 1.75 at most, of 2, over 10 s')
        await pilot.used(first!, [5, 100, 0.5], [10, 400, 1.75], [20, 900, 1])
        await chart('Attempt 1, memory: 900 MB at most, of 1000, over 20 s')

        await pilot.report(failed(first!, { type: 'Full', message: 'no room' }))
        const [second] = await pilot.take(taskId, 1)
        await pilot.used(second!, [11, 50, 1])
        await chart('Attempt 2, memory: 50 MB at most, of 1000, over 11 s')
        await page.getByRole('combobox', { name: 'Attempt' }).selectOption('1')
        await chart('Attempt 1, memory: 900 MB at most, of 1000, over 20 s')
        await page.reload()
        await chart('Attempt 1, memory: 900 MB at most, of 1000, over 20 s')
        await page.evaluate(axe.source)
        const { violations } = (await page.evaluate('axe.run()')) as axe.AxeResults
        expect(violations.map(({ id, nodes }) => [id, nodes[0]!.html])).toEqual([])
      })
    })

    test('why a job waits is told, with links to what it waits for', async () => {
      const workflowId = await newWorkflow('one after the other')
      const first = await submit(workflowId, 1)
      const second = await submit(workflowId, 1, { name: 'second', after: [first.taskId] })
      const page = await signedIn(`/${second.taskId}`)
      await shows(page, 'waits_for_inputs')
      await page.locator('.why').getByRole('link', { name: second.firstJobId! }).click()
      await shows(page, 'it waits for 1 other to finish')
    })

    test('markup in names, values, errors and logs is text, and nothing of it runs', async () => {
      const evil = '<img src=x onerror=window.ran=1><script>window.ran=1</script>'
      const workflowId = await newWorkflow(evil)
      const { taskId } = await submit(workflowId, 2, {
        name: evil,
        payload: { kind: 'command', command: ['echo', evil] },
      })
      let [good, bad]: Held[] = []
      await withPilot(async (pilot) => {
        ;[good, bad] = await pilot.take(taskId, 2)
        await pilot.print(bad!, 0, evil)
        await pilot.report(finished(good!, evil), failed(bad!, { type: evil, message: evil, stack: evil }))
      })
      const page = await signedIn()
      await shows(page, evil)
      for (const [place, times] of [
        [workflowId, 3],
        [taskId, 3],
        [good!.jobId, 2],
        [bad!.jobId, 4],
      ] as const) {
        await visit(page, `/${place}`)
        await page.locator('h1', { hasText: evil }).waitFor()
        await eventually(
          async () => (await page.locator('main').innerText()).split(evil).length > times,
          `${place} shows it ${times} times`,
        )
      }
      expect(await page.evaluate("[window.ran, document.querySelectorAll('main img, main script').length]")).toEqual([
        undefined,
        0,
      ])
    })

    test('the jobs of a task come in pages, and by state', async () => {
      const { taskId } = await submit(await newWorkflow('many'), 60)
      await withPilot(async (pilot) => {
        const jobs = await pilot.take(taskId, 60)
        await pilot.report(
          ...jobs.map((job) =>
            job.index === 55 ? failed(job, { type: 'Late', message: 'too late' }) : finished(job, job.index),
          ),
        )
      })
      const page = await signedIn(`/${taskId}`)
      const rows = rowsOf(page, 'Jobs')
      await page.getByRole('button', { name: 'Later' }).click()
      await rows.getByText('Late: too late').waitFor()
      expect(await rows.count()).toBe(10)
      await page.getByRole('button', { name: 'Earlier' }).click()
      await page.getByRole('combobox', { name: 'State' }).selectOption('failed')
      await eventually(async () => (await rows.count()) === 1, 'one job has failed')
      expect(await rows.first().locator('td').nth(1).textContent()).toBe('55')
    })

    test('how long jobs took and how much they used is drawn, live, at a place that is kept for it', async () => {
      const { taskId } = await submit(await newWorkflow('spread out'), 41)
      await withPilot(async (pilot) => {
        const jobs = await pilot.take(taskId, 41)
        const usageOf = (i: number) => ({ wallSeconds: 30 + i / 2, cpuSeconds: 20, maxRssMb: 1000 + 10 * i })
        const end = (job: (typeof jobs)[number]) => ({ ...finished(job, 1), usage: usageOf(job.index) })
        await pilot.report(end(jobs[0]!))
        const page = await signedIn(`/${taskId}`)
        await shows(page, '1/41')
        expect(await page.getByRole('heading', { name: 'How long, how much' }).count()).toBe(0)

        // What else comes above the list of jobs would move it at its own time.
        await page.route(/\/(curve|explain|troubles)$/, () => {})
        await page.route('**/spread', () => {})
        await pilot.report(...jobs.slice(1, 30).map(end))
        await page.getByRole('heading', { name: 'How long, how much' }).waitFor()
        const duration = page.getByRole('img', { name: /^Duration,/ })
        const topOf = async () => (await page.getByRole('table', { name: 'Jobs', exact: true }).boundingBox())!.y
        await page.reload()
        await shows(page, '30/41')
        await rowsOf(page, 'Jobs').first().waitFor()
        const top = await topOf()
        expect(await duration.count()).toBe(0)
        await page.unroute('**/spread')
        await visit(page, `/${taskId}`)
        await duration.waitFor()
        expect(await topOf()).toBe(top)
        expect(await duration.getAttribute('aria-label')).toBe('Duration, 30 jobs: p50 37 s, p95 44 s, max 45 s')
        await page.getByTitle('30–31 s: 2').waitFor()
        await page.getByRole('img', { name: /^Memory, 30 jobs: p50 1,140 MB/ }).waitFor()
        await page.getByRole('img', { name: /^Cores at work, of 1, 30 jobs: p50 0.5/ }).waitFor()

        await pilot.report(...jobs.slice(30).map(end))
        await page.getByRole('img', { name: 'Duration, 41 jobs: p50 40 s, p95 49 s, max 50 s' }).waitFor()
        await shows(page, 'of 41 jobs that ended')
      })
    })

    test('what fails alike is one error, from the list of all to its hosts and jobs, and at its task', async () => {
      const { taskId } = await submit(await newWorkflow('fails alike'), 3, { name: 'fit' })
      await withPilot(async (pilot) => {
        const jobs = await pilot.take(taskId, 3)
        await pilot.report(
          ...jobs.map((job) => failed(job, { type: 'DiskFull', message: `no space on /data/${job.index}` })),
        )
      })
      const page = await signedIn('/errors?cause=user')
      const line = page.locator('main tr', { hasText: 'DiskFull: no space on' })
      await line.getByRole('cell', { name: '3', exact: true }).waitFor()
      await line.getByRole('link').click()
      await page.waitForURL(/\/errors\/e\d+$/)
      await shows(page, 'DiskFull: no space on …')
      await rowsOf(page, 'Hosts').getByText('node7').waitFor()
      await rowsOf(page, 'Jobs').getByText('DiskFull: no space on /data/0').waitFor()
      await page.getByLabel('Window', { exact: true }).selectOption('the last week')
      await page.waitForURL(/hours=168$/)
      await page.reload()
      await page.getByRole('img', { name: '3 attempts in this window' }).waitFor()
      await page.setViewportSize({ width: 360, height: 740 })
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(360)
      await page.setViewportSize({ width: 1200, height: 900 })
      await page.getByRole('link', { name: 'fit' }).first().click()
      await shows(page, 'Failed attempts by kind')
      await shows(page, '3 user')
      await visit(page, '/errors?cause=walltime')
      await shows(page, 'Nothing has failed like that')
    })

    test('cancelling asks first, and says what it stops', async () => {
      const workflowId = await newWorkflow('to be cancelled')
      const { taskId } = await submit(workflowId, 3)
      await withPilot(async (pilot) => {
        await pilot.take(taskId, 1)
        const page = await signedIn(`/${workflowId}`)
        await page.locator('.facts').getByText('0/3').first().waitFor()
        const choose = async () => {
          await page.getByRole('button', { name: 'Actions' }).click()
          await page.getByRole('menuitem', { name: 'Cancel' }).click()
        }
        await choose()
        const dialog = page.getByRole('dialog')
        await dialog.getByText('stops 1 running job').waitFor()
        await dialog.getByText('2 jobs that wait will not run').waitFor()
        await dialog.getByRole('button', { name: 'Leave it' }).click()
        expect((await server.user.call('getWorkflow', { params: { id: workflowId } })).state).not.toBe('cancelled')
        await choose()
        await dialog.getByLabel('Reason').fill('a wrong seed')
        await dialog.getByRole('button', { name: 'Cancel' }).click()
        await page.locator('.facts').getByText('cancelled', { exact: true }).waitFor()
        await page.getByRole('button', { name: 'Run again from the start' }).waitFor()
        const { state, why } = await server.user.call('getWorkflow', { params: { id: workflowId } })
        expect({ state, why }).toEqual({ state: 'cancelled', why: 'a wrong seed' })
      })
    })

    test('keys open the menu of a task, pause it, and take that back', async () => {
      const { taskId } = await submit(await newWorkflow('to be paused'), 2)
      const page = await signedIn(`/${taskId}`)
      await page.getByRole('button', { name: 'Actions' }).focus()
      for (const key of ['Enter', 'ArrowDown', 'ArrowUp', 'Enter']) await page.keyboard.press(key)
      await page.getByRole('dialog').getByText('2 jobs that wait: held').waitFor()
      await page.evaluate(axe.source)
      expect(((await page.evaluate('axe.run()')) as axe.AxeResults).violations.map(({ id }) => id)).toEqual([])
      await page.getByRole('dialog').getByRole('button', { name: 'Pause' }).click()
      await page.locator('.facts').getByText('paused', { exact: true }).waitFor()
      await page.getByRole('button', { name: 'Undo' }).click()
      await page.locator('.facts').getByText('ready', { exact: true }).waitFor()
    })

    test('what was picked from a list is acted on together, and only what is one’s own can be picked', async () => {
      const others = await server.person('carla')
      await others.call('createWorkflow', { body: { name: 'not mine', kind: 'tasks' } })
      const ids = [await newWorkflow('first of two'), await newWorkflow('second of two')]
      const page = await signedIn('/workflows')
      await shows(page, 'not mine')
      for (const id of ids) await page.getByRole('checkbox', { name: `Pick ${id}` }).check()
      expect(await page.locator('tr', { hasText: 'not mine' }).getByRole('checkbox').count()).toBe(0)
      await shows(page, '2 workflows picked')
      await page.getByRole('button', { name: 'Act on these' }).click()
      await page.getByRole('menuitem', { name: 'Pause' }).click()
      await page.getByRole('dialog').getByRole('button', { name: 'Pause' }).click()
      await page.getByRole('status').getByText('2 workflows paused').waitFor()
      for (const id of ids)
        expect(await server.user.call('getWorkflow', { params: { id } })).toMatchObject({ state: 'paused', held: true })
    })

    test('what does not exist is said, with a way on', async () => {
      const page = await signedIn('/w999999')
      await shows(page, 'No such workflow')
      await page.getByRole('link', { name: 'All workflows' }).click()
      await page.getByRole('heading', { name: 'Workflows' }).waitFor()
      complaints = complaints.filter((words) => !words.includes('404'))
    })

    test('a hidden tab asks for nothing, and catches up when it is shown', async () => {
      const page = await newPage()
      await page.clock.install()
      await page.goto(`${server.url}/#token=${server.userToken}`)
      await page.getByRole('heading', { name: 'Home' }).waitFor()
      const setHidden = (isHidden: boolean) =>
        page.evaluate(
          `Object.defineProperty(document, 'hidden', { value: ${isHidden}, configurable: true });
           Object.defineProperty(document, 'visibilityState', { value: '${isHidden ? 'hidden' : 'visible'}', configurable: true });
           document.dispatchEvent(new Event('visibilitychange', { bubbles: true }))`,
        )
      await setHidden(true)
      let asked = 0
      page.on('request', () => asked++)
      await page.clock.runFor(30_000)
      expect(asked).toBe(0)
      await newWorkflow('made while nobody looked')
      await setHidden(false)
      await page.clock.runFor(1000)
      await shows(page, 'made while nobody looked')
    })

    test('a task that was asked for after another hangs on it in the graph, which keys walk, and which is saved as a drawing', async () => {
      const { workflowId, epoch } = await server.user.call('createWorkflow', {
        body: { name: 'two calls', kind: 'function' },
      })
      made.push(workflowId)
      const first = await submit(workflowId, 1, { name: 'prepare', call: { key: 'a', epoch } })
      const seen = JSON.stringify([0, first.taskId])
      const second = await submit(workflowId, 1, { name: 'evaluate', call: { key: 'b', epoch, seen } })
      const page = await signedIn(`/${workflowId}/graph`)
      const graph = page.getByRole('application', { name: `Graph of ${workflowId}: 2 nodes` })
      await graph.focus()
      for (const key of ['ArrowRight', 'ArrowRight']) await graph.press(key)
      await shows(page, 'evaluate, ')
      const download = page.waitForEvent('download')
      await page.getByRole('button', { name: 'SVG' }).click()
      const svg = await readFile(await (await download).path(), 'utf8')
      expect(svg).toContain('prepare')
      expect(svg.split('\n').filter((line) => line.startsWith('<path'))).toHaveLength(1)
      await graph.press('Enter')
      await page.waitForURL(`${server.url}/${second.taskId}`)
    })

    test('one key opens the field that leads anywhere', async () => {
      const workflowId = await newWorkflow('needle')
      const page = await signedIn()
      await page.getByRole('heading', { name: 'Home' }).waitFor()
      await page.keyboard.press('/')
      await page.keyboard.type('need')
      await page.getByRole('option', { name: /needle/ }).waitFor()
      await page.keyboard.press('Enter')
      await page.waitForURL(`${server.url}/${workflowId}`)
      await page.locator('h1', { hasText: 'needle' }).waitFor()
    })

    test('an error is found by what it says', async () => {
      const { taskId } = await submit(await newWorkflow('loses its keys'), 1)
      await withPilot(async (pilot) => {
        const [job] = await pilot.take(taskId, 1)
        await pilot.report(failed(job!, { type: 'KeyError', message: 'no such cryostat in the map of the hall' }))
      })
      const page = await signedIn('/errors')
      await shows(page, 'no such cryostat')
      await page.keyboard.press('/')
      await page.keyboard.type('Such CRYOSTAT')
      await page.getByRole('option', { name: /KeyError: no such cryostat.* error/ }).waitFor()
      await page.keyboard.press('Enter')
      await page.waitForURL(/\/errors\/e\d+$/)
      await page.locator('h1', { hasText: 'no such cryostat' }).waitFor()
    })

    test('a label that is pressed is one more filter in the address, by which the page can be shared, and may group', async () => {
      const labels = { campaign: 'summer', stage: 'first' }
      for (const [name, its] of [
        ['labelled', labels],
        ['labelled too', { campaign: 'winter' }],
      ] as const)
        made.push((await server.user.call('createWorkflow', { body: { name, kind: 'tasks', labels: its } })).workflowId)
      const page = await signedIn('/workflows')
      await page.getByRole('link', { name: 'campaign=summer' }).click()
      await page.waitForURL(`${server.url}/workflows?label=campaign%3Dsummer`)
      await eventually(async () => (await rowsOf(page, 'Workflows').count()) === 1, 'one has it')
      await page.getByLabel('Group by label').selectOption('stage')
      await page.getByRole('heading', { name: 'stage=first' }).waitFor()
      await page.getByRole('button', { name: 'No longer campaign=summer' }).click()
      await page.waitForURL(`${server.url}/workflows?group=stage`)
      await page.getByRole('heading', { name: 'no stage' }).waitFor()
      await page.reload()
      await page.getByRole('heading', { name: 'stage=first' }).waitFor()
    })

    test('a report shows what was used by group, and gives it as a file; the first page has the last hour after a reload', async () => {
      const { workflowId } = await server.user.call('createWorkflow', {
        body: { name: 'used', kind: 'tasks', labels: { project: 'alpha' } },
      })
      made.push(workflowId)
      const { taskId } = await submit(workflowId, 4)
      await withPilot(async (pilot) => {
        const usage = { wallSeconds: 7200, cpuSeconds: 3600 }
        await pilot.report(...(await pilot.take(taskId, 4)).map((job) => ({ ...finished(job, 1), usage })))
      })
      const asked = async () => (await server.user.call('usage', { query: { by: 'label:project' } })).items
      await eventually(async () => (await asked()).some(({ name }) => name === 'alpha'), 'it is added up')
      const page = await signedIn('/reports?range=day&by=label:project')
      const line = rowsOf(page, 'Usage').filter({ hasText: 'alpha' })
      await line.waitFor()
      expect(await line.locator('td').allTextContents()).toEqual(['alpha', '4', '4', '0', '0', '8 h', '4 h', '50 %'])
      await page.getByRole('img', { name: /^Wall time, h by hour/ }).waitFor()
      await page.getByLabel('Step').selectOption('none')
      await page.waitForURL(/step=none/)
      const download = page.waitForEvent('download')
      await page.getByRole('button', { name: 'CSV' }).click()
      expect(await readFile(await (await download).path(), 'utf8')).toContain(',alpha,4,4,0,0,28800,14400')
      await line.getByRole('link', { name: 'alpha' }).click()
      await page.waitForURL(`${server.url}/workflows?label=project%3Dalpha`)
      await visit(page, '/')
      await page.getByRole('img', { name: /^finished in the last hour: \d+/ }).waitFor()
    })

    test('a queue tells how well it did of late, what fails there and who serves it, from the list of all to its own page', async () => {
      const name = 'far-east.2'
      const place = await newQueue(name)
      const page = await signedIn('/queues')
      const line = rowsOf(page, 'Queues').filter({ hasText: name })
      await line.waitFor()
      await eventually(
        async () => (await line.locator('td').allTextContents()).slice(-2).join() === '–,–',
        'nothing has ended there',
      )
      await line.getByRole('link', { name }).click()
      await page.waitForURL(`${server.url}/queues/${name}`)
      await shows(page, `culm submit --queue ${name} -- echo hello`)
      await shows(page, `culm queue token ${name}`)
      await shows(page, 'No attempt has failed here')

      const { taskId } = await submit(await newWorkflow('far away'), 4, { queue: name })
      await withPilot(async (pilot) => {
        const [first, ...others] = await pilot.take(taskId, 4)
        const usage = { wallSeconds: 7200, cpuSeconds: 3600 }
        const error = { type: 'TideError', message: 'the harbour is dry' }
        await pilot.report(
          ...[{ ...failed(first!, error), usage }, ...others.map((job) => ({ ...finished(job, 1), usage }))],
        )
        const asked = async () => (await server.user.call('usage', { query: { by: 'queue' } })).items
        await eventually(async () => (await asked()).find((group) => group.name === name)?.attempts === 4, 'added up')
        await eventually(
          async () => (await server.user.call('listTroubles', { query: { queue: name } })).items.length === 1,
          'what failed is told',
        )

        await page.reload()
        await page.getByRole('heading', { name, level: 1 }).waitFor()
        expect(await page.title()).toBe(`${name} · Queues`)
        await shows(page, '0 of 100 slots in use')
        const numbers = page.locator('.vital')
        await numbers.first().waitFor()
        expect(await numbers.allTextContents()).toEqual([
          ...['4attempts', '3jobs finished', '1jobs failed'],
          ...['75 %ended well', '50 %efficiency (CPU / wall)', '8 hwall time'],
        ])
        await rowsOf(page, 'Pilots').getByText('node7').waitFor()
        const cause = rowsOf(page, 'Failures by cause')
        expect(await cause.count()).toBe(1)
        await cause.getByRole('img', { name: '100 % of 1 failed attempt' }).waitFor()
        for (const colorScheme of ['light', 'dark'] as const) {
          await page.emulateMedia({ colorScheme })
          expect(await violationsIn(page), colorScheme).toEqual([])
        }
        await page.getByRole('link', { name: 'TideError: the harbour is dry' }).click()
        await page.waitForURL(/\/errors\/e\d+$/)
        await page.goBack()
        await cause.getByRole('link', { name: 'user' }).click()
        await page.waitForURL(`${server.url}/errors?cause=user&queue=${name}`)
        await rowsOf(page, 'Errors').getByText('the harbour is dry').waitFor()
        expect(await rowsOf(page, 'Errors').count()).toBe(1)

        await visit(page, '/queues')
        await line.getByRole('cell', { name: '75 %', exact: true }).waitFor()
        await line.getByRole('cell', { name: '50 %', exact: true }).waitFor()
        await page.keyboard.press('/')
        await page.keyboard.type('far-ea')
        await page.getByRole('option', { name: /far-east\.2.* queue/ }).waitFor()
        await page.keyboard.press('Enter')
        await page.waitForURL(`${server.url}/queues/${name}`)
      }, place)
    })

    test('a queue that there is not is said, with what makes one', async () => {
      const page = await signedIn('/queues/nowhere')
      await shows(page, 'No such queue')
      await shows(page, 'culm queue add nowhere')
      await page.getByRole('link', { name: 'All queues' }).click()
      await page.getByRole('heading', { name: 'Queues and pilots' }).waitFor()
    })

    test('axe finds nothing on any page, in either scheme', { timeout: 120_000 }, async () => {
      const workflowId = await newWorkflow('for all readers')
      const { taskId } = await submit(workflowId, 3)
      await withPilot(async (pilot) => {
        const [one, two] = await pilot.take(taskId, 3)
        await pilot.report(finished(one!, { loss: 1 }), failed(two!, { type: 'FitError', message: 'no minimum' }))
        const trouble = await eventually(
          async () => (await server.user.call('listTroubles')).items[0]?.id,
          'what failed is told',
        )
        const page = await signedIn()
        for (const place of placesOf(workflowId, taskId, [two!.jobId], trouble!))
          for (const colorScheme of ['light', 'dark'] as const) {
            await page.emulateMedia({ colorScheme })
            await visit(page, place)
            await page.locator('h1').waitFor()
            expect(await violationsIn(page), `${place}, ${colorScheme}`).toEqual([])
          }
      })
    })

    test('while a page comes up nothing that is shown moves', { timeout: 120_000 }, async () => {
      const workflowId = await newWorkflow('comes up')
      await server.user.call('createWorkflow', {
        body: { name: 'labelled', kind: 'tasks', labels: { 'a-rather-long-name': 'x' } },
      })
      const { taskId } = await submit(workflowId, 30)
      await withPilot(async (pilot) => {
        const [one, two, ...rest] = await pilot.take(taskId, 30)
        await pilot.report(
          failed(two!, { type: 'FitError', message: 'no minimum' }),
          ...rest.slice(9).map((job) => finished(job, { loss: 1 / job.index })),
        )
        await pilot.print(one!, 0, 'reading\n')
        await pilot.measured(one!, 'loss', 3, 2, 1)
        await pilot.used(one!, [10, 200, 0.5], [20, 300, 0.9])
        const trouble = await eventually(
          async () => (await server.user.call('listTroubles')).items[0]?.id,
          'what failed is told',
        )
        const page = await signedIn()
        await page.addInitScript(watchShifts)
        const settled = await oneAfterTheOther(page)
        for (const place of placesOf(workflowId, taskId, [one!.jobId, two!.jobId], trouble!)) {
          await visit(page, place)
          await page.locator('h1').waitFor()
          await settled()
          // Less than this is a mark of an axis or a number that goes on with time.
          expect(await page.evaluate('shifts.filter(([value]) => value > 0.0005)'), place).toEqual([])
        }
      })
    })

    test('an answer that does not come hides nothing for long', async () => {
      const { taskId } = await submit(await newWorkflow('half an answer'), 2)
      const page = await signedIn()
      await page.route('**/explain', () => {})
      await visit(page, `/${taskId}`)
      await page.locator('.pending').first().waitFor({ state: 'attached' })
      await page.getByRole('heading', { name: 'Jobs of this task' }).waitFor()
    })

    test('what is loaded first is small and kept for ever, and what has no page is no page', async () => {
      const page = await newPage()
      let bytes = 0
      page.on('response', async (answer) => {
        if (!answer.url().includes('/assets/')) return
        const headers = answer.headers()
        expect(headers['cache-control']).toContain('immutable')
        expect(headers['content-encoding']).toBe('br')
        bytes += Number(headers['content-length'])
      })
      await page.goto(`${server.url}/#token=${server.userToken}`)
      await page.getByRole('heading', { name: 'Home' }).waitFor()
      expect(bytes).toBeGreaterThan(50_000)
      expect(bytes).toBeLessThan(350_000)
      expect((await fetch(`${server.url}/nowhere`)).status).toBe(404)
      expect((await fetch(`${server.url}/assets/nothing.js`)).status).toBe(404)
      expect((await fetch(`${server.url}/w12/graph`)).headers.get('content-type')).toContain('text/html')
    })

    test('on a phone nothing is wider than the screen', async () => {
      const workflowId = await newWorkflow(
        'a name that is rather long for the width of a telephone, and goes on for a while',
      )
      const { taskId, firstJobId } = await submit(workflowId, 2)
      const page = await signedIn()
      await page.setViewportSize({ width: 360, height: 740 })
      for (const place of [
        '',
        'workflows',
        'errors',
        'queues',
        'queues/local',
        'reports',
        'users',
        workflowId,
        `${workflowId}/graph`,
        taskId,
        firstJobId,
      ]) {
        await visit(page, `/${place}`)
        await page.locator('h1').waitFor()
        expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(360)
      }
    })
  },
)
