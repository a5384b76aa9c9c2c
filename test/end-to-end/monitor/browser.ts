import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import axe from 'axe-core'
import { type BrowserContext, chromium, type Page } from 'playwright-core'
import { afterEach, beforeAll, beforeEach, expect } from 'vitest'
import { atEnd } from '../../support/atEnd.ts'
import { describeNeeding } from '../../support/needs.ts'
import { cancelRest, server, startServer } from './fixtures.ts'

const executablePath = '/usr/bin/chromium'
const missing = existsSync(executablePath) ? null : `there is no ${executablePath}; apt-get install chromium`

/** Tests on a server and in a Chromium of the file's own. Each of them ends with its workflows cancelled, its pages closed and no complaint. */
export const inTheBrowser = (subject: string, tests: () => void) =>
  describeNeeding(missing)(`the monitor in a real browser: ${subject}`, () => {
    beforeAll(async () => {
      await startServer()
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
    tests()
  })

export let browser: BrowserContext
const flags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]
const startBrowser = async () => {
  const profile = await mkdtemp(path.join(tmpdir(), 'culm-chromium-'))
  browser = await chromium.launchPersistentContext(profile, {
    executablePath,
    headless: true,
    args: flags,
    viewport: { width: 1200, height: 900 },
  })
  browser.setDefaultTimeout(15_000)
  atEnd(async () => {
    await browser.close()
    await rm(profile, { recursive: true, force: true })
  })
}

/** What the browser complained about: script errors, refused resources, violations of the page's content security policy. */
let complaints: string[]
/** What a test brings about on purpose is no complaint. */
export const forgive = (what: string) => {
  complaints = complaints.filter((words) => !words.includes(what))
}

export const newPage = async (): Promise<Page> => {
  const page = await browser.newPage()
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text())
  })
  page.on('pageerror', (error) => complaints.push(String(error)))
  return page
}

export const visit = (page: Page, place: string) => page.goto(`${server.url}${place}`)

/** The link that `culm open` gives. */
export const signIn = (page: Page, token = server.userToken) => visit(page, `/#token=${token}`)

export const signedIn = async (place = '/'): Promise<Page> => {
  const page = await newPage()
  await signIn(page)
  // The cookie comes with an answer, which a page that is left does not wait for.
  if (place !== '/') {
    await page.getByRole('link', { name: 'Workflows', exact: true }).waitFor()
    await visit(page, place)
  }
  return page
}

export const rowsOf = (page: Page, table: string) =>
  page.getByRole('table', { name: table, exact: true }).locator('tbody tr')

/** Waits until the page shows this text somewhere in its content. */
export const shows = (page: Page, text: string | RegExp) => page.locator('main').getByText(text).first().waitFor()

/** What axe finds in the page as it is. */
export const violationsIn = async (page: Page) => {
  await page.evaluate(axe.source)
  const { violations } = (await page.evaluate('axe.run()')) as axe.AxeResults
  return violations.map(({ id, nodes }) => [id, nodes[0]!.html])
}
