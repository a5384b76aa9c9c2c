import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { eventually } from '../../support/server.ts'
import { inTheBrowser, rowsOf, shows, signedIn, violationsIn, visit } from './browser.ts'
import { failed, finished, newWorkflow, openWorkflow, server, submit, withPilot } from './fixtures.ts'

inTheBrowser('a workflow, a task, a job, and what is done to them', () => {
  test('a task that was asked for after another hangs on it in the graph, which keys walk, and which is saved as a drawing', async () => {
    const { workflowId, epoch } = await openWorkflow({ name: 'two calls', kind: 'function' })
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

  test('why a job waits is told, with links to what it waits for', async () => {
    const workflowId = await newWorkflow('one after the other')
    const first = await submit(workflowId, 1)
    const second = await submit(workflowId, 1, { name: 'second', after: [first.taskId] })
    const page = await signedIn(`/${second.taskId}`)
    await shows(page, 'waits_for_inputs')
    await page.locator('.why').getByRole('link', { name: second.firstJobId! }).click()
    await shows(page, 'it waits for 1 other to finish')
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
      expect(await violationsIn(page)).toEqual([])
    })
  })

  test('cancelling asks first, and says what it stops', async () => {
    const workflowId = await newWorkflow('to be cancelled')
    const { taskId } = await submit(workflowId, 3)
    await withPilot(async (pilot) => {
      await pilot.take(taskId, 1)
      const counted = async () =>
        (await server.user.call('getWorkflow', { params: { id: workflowId } })).jobs.sent === 1
      await eventually(counted, 'that the counters know of it')
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
    expect(await violationsIn(page)).toEqual([])
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
})
