import type { Request } from 'playwright-core'
import { expect, test } from 'vitest'
import { eventually } from '../../support/server.ts'
import { browser, forgive, inTheBrowser, newPage, shows, signedIn, signIn, visit } from './browser.ts'
import { failed, finished, type Held, newWorkflow, server, submit, withPilot } from './fixtures.ts'

inTheBrowser('signing in, safety, and what is loaded', () => {
  test('without a session it says where its link comes from, and asks the server for nothing else', async () => {
    await browser.clearCookies()
    const page = await newPage()
    const asked: string[] = []
    page.on('request', (request: Request) => asked.push(new URL(request.url()).pathname))
    await page.goto(server.url)
    await shows(page, 'culm open')
    expect(asked.filter((path) => path !== '/' && !path.startsWith('/assets/'))).toEqual(['/v1/session'])
    forgive('401')
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
    await signIn(page, 'unknown')
    await shows(page, 'culm open')
    forgive('401')
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
    forgive('401')
  })

  test('a server on which nothing has run teaches the first command', async () => {
    const page = await newPage()
    await page.route('**/v1/overview', async (route) => {
      const json = await (await route.fetch()).json()
      await route.fulfill({ json: { ...json, active: [], ended: [], failing: [] } })
    })
    await signIn(page)
    await shows(page, 'culm submit -- echo hello')
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
    await signIn(page)
    await page.getByRole('heading', { name: 'Home' }).waitFor()
    expect(bytes).toBeGreaterThan(50_000)
    expect(bytes).toBeLessThan(350_000)
    expect((await fetch(`${server.url}/nowhere`)).status).toBe(404)
    expect((await fetch(`${server.url}/assets/nothing.js`)).status).toBe(404)
    expect((await fetch(`${server.url}/w12/graph`)).headers.get('content-type')).toContain('text/html')
  })
})
