import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { eventually } from '../../support/server.ts'
import { browser, forgive, inTheBrowser, newPage, rowsOf, shows, signedIn, signIn, visit } from './browser.ts'
import { failed, finished, newWorkflow, server, submit, withPilot } from './fixtures.ts'

/** From here on only the stream brings news of a workflow: what is asked for gets no answer. */
const holdAnswers = (page: Page) => page.route(/\/v1\/(workflows\/w\d+|tasks\?.*)$/, () => {})

const setHidden = (page: Page, isHidden: boolean) =>
  page.evaluate(
    `Object.defineProperty(document, 'hidden', { value: ${isHidden}, configurable: true });
     Object.defineProperty(document, 'visibilityState', { value: '${isHidden ? 'hidden' : 'visible'}', configurable: true });
     document.dispatchEvent(new Event('visibilitychange', { bubbles: true }))`,
  )

inTheBrowser('what happens while one looks', () => {
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
      forgive('ERR_INTERNET_DISCONNECTED')
    })
  })

  test('a hidden tab asks for nothing, and catches up when it is shown', async () => {
    const page = await newPage()
    await page.clock.install()
    await signIn(page)
    await page.getByRole('heading', { name: 'Home' }).waitFor()
    await setHidden(page, true)
    let asked = 0
    page.on('request', () => asked++)
    await page.clock.runFor(30_000)
    expect(asked).toBe(0)
    await newWorkflow('made while nobody looked')
    await setHidden(page, false)
    await page.clock.runFor(1000)
    await shows(page, 'made while nobody looked')
  })
})
