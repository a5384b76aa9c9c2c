import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { eventually } from '../../support/server.ts'
import { forgive, inTheBrowser, rowsOf, shows, signedIn, violationsIn, visit } from './browser.ts'
import { failed, finished, newQueue, newWorkflow, server, submit, usageOf, withPilot } from './fixtures.ts'

inTheBrowser('lists, errors, reports and queues, and how one finds things', () => {
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
    await newWorkflow('labelled', { campaign: 'summer', stage: 'first' })
    await newWorkflow('labelled too', { campaign: 'winter' })
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

  test('a report shows what was used by group, and gives it as a file; the first page has the last hour after a reload', async () => {
    const { taskId } = await submit(await newWorkflow('used', { project: 'alpha' }), 4)
    await withPilot(async (pilot) => {
      const usage = { wallSeconds: 7200, cpuSeconds: 3600 }
      await pilot.report(...(await pilot.take(taskId, 4)).map((job) => ({ ...finished(job, 1), usage })))
    })
    await eventually(() => usageOf('label:project', 'alpha'), 'it is added up')
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
      await eventually(async () => (await usageOf('queue', name))?.attempts === 4, 'added up')
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

  test('what does not exist is said, with a way on', async () => {
    const page = await signedIn('/w999999')
    await shows(page, 'No such workflow')
    await page.getByRole('link', { name: 'All workflows' }).click()
    await page.getByRole('heading', { name: 'Workflows' }).waitFor()
    forgive('404')
  })

  test('a queue that there is not is said, with what makes one', async () => {
    const page = await signedIn('/queues/nowhere')
    await shows(page, 'No such queue')
    await shows(page, 'culm queue add nowhere')
    await page.getByRole('link', { name: 'All queues' }).click()
    await page.getByRole('heading', { name: 'Queues and pilots' }).waitFor()
  })
})
