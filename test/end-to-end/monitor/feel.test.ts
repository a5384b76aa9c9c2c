import type { Page } from 'playwright-core'
import { beforeAll, expect, test } from 'vitest'
import { eventually } from '../../support/server.ts'
import { inTheBrowser, signedIn, violationsIn, visit } from './browser.ts'
import { failed, finished, newQueue, newWorkflow, server, submit, usageOf, withPilot } from './fixtures.ts'

/** Every page there is. */
const placesOf = (workflowId: string, taskId: string, jobIds: string[], trouble: string): string[] => [
  ...['/', '/workflows', '/errors', `/errors/${trouble}`, '/queues', '/queues/local', '/reports', '/users'],
  ...['', '/graph', '/timeline', '/results', '/story'].map((view) => `/${workflowId}${view}`),
  ...['', '/results', '/metrics'].map((view) => `/${taskId}${view}`),
  ...jobIds.map((id) => `/${id}`),
]

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

/** Others have worked here before, so that no table on any page is empty. */
const leaveTraces = async () => {
  const carla = await server.person('carla')
  await carla.call('createWorkflow', { body: { name: 'not mine', kind: 'tasks' } })
  await newQueue('far-east.2')
  const { taskId } = await submit(await newWorkflow('used', { project: 'alpha' }), 4)
  await withPilot(async (pilot) => {
    const [first, ...others] = await pilot.take(taskId, 4)
    const usage = { wallSeconds: 7200, cpuSeconds: 3600 }
    const ends = [failed(first!, { type: 'DiskFull', message: 'no space' }), ...others.map((job) => finished(job, 1))]
    await pilot.report(...ends.map((end) => ({ ...end, usage })))
  })
  await eventually(() => usageOf('label:project', 'alpha'), 'it is added up')
}

const lastTrouble = () =>
  eventually(async () => (await server.user.call('listTroubles')).items[0]?.id, 'what failed is told')

inTheBrowser('for every reader and every screen', () => {
  beforeAll(leaveTraces)

  test('axe finds nothing on any page, in either scheme', { timeout: 120_000 }, async () => {
    const workflowId = await newWorkflow('for all readers')
    const { taskId } = await submit(workflowId, 3)
    await withPilot(async (pilot) => {
      const [one, two] = await pilot.take(taskId, 3)
      await pilot.report(finished(one!, { loss: 1 }), failed(two!, { type: 'FitError', message: 'no minimum' }))
      const trouble = await lastTrouble()
      const page = await signedIn()
      for (const place of placesOf(workflowId, taskId, [two!.jobId], trouble))
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
      const trouble = await lastTrouble()
      const page = await signedIn()
      await page.addInitScript(watchShifts)
      const settled = await oneAfterTheOther(page)
      for (const place of placesOf(workflowId, taskId, [one!.jobId, two!.jobId], trouble)) {
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
})
