/**
 * Makes the pictures of `docs/images`: a small installation of its own runs examples for ada and others, and Chromium looks at its pages.
 * `tsx scripts/pictures.ts [NAME …] [--phone FOLDER]`: those of these names; with a folder, all as wide as a phone, to be looked at.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { type Browser, chromium, type Page } from 'playwright-core'
import { type Culm, outputOf, withCulm } from '../bench/support.ts'
import { type Client, makeClient } from '../src/contract/client.ts'
import { smallPng } from './pictures/smallPng.ts'
import { prepare } from './start.mjs'

const { values: options, positionals: names } = parseArgs({
  options: { phone: { type: 'string' } },
  allowPositionals: true,
})

type Picture = { name: string; address: string; height?: number; ready: (page: Page) => Promise<unknown> }

const main = (culm: Culm) =>
  withUsers(culm, async (ada, bea) => {
    await run('node_modules/.bin/tsx', ['examples/hpo/run.ts'], ada)
    await run('/usr/bin/python3', ['scripts/pictures/toys.py'], { ...ada, PYTHONPATH: 'python' }, [0, 1])
    for (const [name, n] of Object.entries({ calibrate: 12, skim: 30 })) await submit(bea, name, n)
    const user = makeClient({ url: culm.url, token: ada.CULM_TOKEN! })
    const reconstruction = await submitReconstruction(user)
    const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] })
    try {
      await takeAll(browser, culm.url, ada.CULM_TOKEN!, await picturesOf(user, reconstruction))
    } finally {
      await browser.close()
      await user.call('cancelWorkflow', { params: { id: reconstruction }, body: {} })
      await user.close()
    }
  })

type Env = NodeJS.ProcessEnv

/** The environments of ada and bea, whom the first user of the installation lets in. */
const withUsers = async (culm: Culm, act: (ada: Env, bea: Env) => Promise<void>) => {
  const envOf = async (name: string, ...more: string[]): Promise<Env> => {
    await outputOf(process.execPath, ['dist/culm.js', 'user', 'add', name, ...more], culm.env)
    const token = await outputOf(process.execPath, ['dist/culm.js', '--json', 'user', 'token', name], culm.env)
    return { ...culm.env, CULM_SERVER: culm.url, CULM_TOKEN: JSON.parse(token).token }
  }
  await act(await envOf('ada', '--admin'), await envOf('bea'))
}

const run = async (command: string, args: string[], env: Env, codes = [0]) => {
  const child = spawn(command, args, { env, stdio: ['ignore', 'ignore', 'inherit'] })
  const [code] = await once(child, 'close')
  if (!codes.includes(code)) throw new Error(`${command} ${args.join(' ')} ended with ${code}`)
}

/** Of which one in eleven ends badly, and one takes longer than it may. */
const line =
  'sleep 0.1; [ $CULM_INDEX -ne 5 ] || sleep 9; [ $((CULM_INDEX % 11)) -ne 7 ] || { echo "no such run" >&2; exit 3; }'

const submit = (env: Env, name: string, jobs: number) => {
  const how = `submit --wait -n ${jobs} --name ${name} --time 2s --label campaign=mc26 -- sh -c`
  return run(process.execPath, ['dist/culm.js', ...how.split(' '), line], env, [0, 1])
}

/** A workflow that is under way as its pictures are taken: simulations, what is made of each, and what is made of all. */
const submitReconstruction = async (user: Client): Promise<`w${number}`> => {
  const labels = { campaign: 'mc26', channel: 'four leptons' }
  const { workflowId } = await user.call('createWorkflow', {
    body: { name: 'higgs to four leptons', kind: 'tasks', labels },
  })
  const add = async (name: string, jobs: number, seconds: number, after: `t${number}`[] = []) => {
    const payload = { kind: 'command' as const, command: ['sleep', String(seconds)] }
    const body = {
      workflowId,
      name,
      payload,
      after,
      jobs: Array.from({ length: jobs }, () => ({ args: { text: '{}' } })),
    }
    return (await user.call('submitTask', { body })).taskId
  }
  const calibration = await add('calibration', 2, 0.2)
  const selected: `t${number}`[] = []
  for (const channel of ['ggF', 'VBF', 'VH', 'ttH']) {
    const generated = await add(`generate ${channel}`, 4, 0.2)
    const simulated = await add(`simulate ${channel}`, 8, channel === 'ggF' ? 0.3 : 5, [generated])
    const reconstructed = await add(`reconstruct ${channel}`, 8, 0.5, [simulated, calibration])
    selected.push(await add(`select ${channel}`, 4, 0.5, [reconstructed]))
  }
  const merged = await add('merge', 1, 1, selected)
  await add('plots', 6, 1, [await add('fit', 1, 1, [merged]), await add('limits', 10, 1, [merged])])
  return workflowId
}

const picturesOf = async (user: Client, reconstruction: string): Promise<Picture[]> => {
  const { items: workflows } = await user.call('listWorkflows', { query: {} })
  const of = (name: string) => workflows.find((workflow) => workflow.name === name)!.id
  const { items: tasks } = await user.call('listTasks', { query: { workflowId: of('toys') } })
  const task = tasks[0]!.id
  const { items: jobs } = await user.call('listJobs', { params: { id: task }, query: { state: 'failed' } })
  const table = (label: string) => (page: Page) => page.getByRole('table', { name: label, exact: true }).waitFor()
  const parameters = (page: Page) => page.getByText(/^arguments of (\d{3}|[6-9]\d) jobs/).waitFor()
  const chart = (page: Page) => page.locator('.chart canvas').first().waitFor()
  return [
    { name: 'home', address: '/', ready: table('Queues') },
    { name: 'workflows', address: '/workflows', height: 420, ready: table('Workflows') },
    { name: 'monitor', address: `/${reconstruction}`, ready: table('Tasks') },
    { name: 'graph', address: `/${reconstruction}/graph`, ready: (page) => page.locator('.graph canvas').waitFor() },
    { name: 'results', address: `/${of('optimise')}/results`, height: 1240, ready: parameters },
    { name: 'task', address: `/${task}`, ready: table('Jobs') },
    { name: 'job', address: `/${jobs[0]!.id}`, height: 1210, ready: chart },
    { name: 'errors', address: '/errors', height: 420, ready: table('Errors') },
    { name: 'queues', address: '/queues', height: 420, ready: table('Queues') },
    { name: 'reports', address: '/reports?range=day&by=user', height: 640, ready: table('Usage') },
  ]
}

const takeAll = async (browser: Browser, url: string, token: string, all: Picture[]) => {
  const context = await browser.newContext({ colorScheme: 'light', locale: 'en-GB' })
  const page = await context.newPage()
  await page.goto(`${url}/#token=${token}`)
  await page.locator('h1').first().waitFor({ state: 'attached' })
  for (const picture of all.filter(({ name }) => names.length === 0 || names.includes(name)))
    await take(page, url, picture)
}

/** The window is wider by the gutter that is kept for a scroll bar, which no picture shows. */
const gutter = 15

const take = async (page: Page, url: string, { name, address, height = 800, ready }: Picture) => {
  const width = options.phone ? 390 : 1200
  await page.setViewportSize({ width: options.phone ? width : width + gutter, height: options.phone ? 844 : height })
  await page.goto(url + address)
  await ready(page)
  await page.evaluate('document.fonts.ready')
  // What is drawn at its own pace has been drawn by then.
  await page.waitForTimeout(1500)
  if (!options.phone) {
    const png = await page.screenshot({ clip: { x: 0, y: 0, width, height } })
    await writeFile(`docs/images/${name}.png`, smallPng(png))
    return
  }
  const wide = await page.evaluate('document.documentElement.scrollWidth')
  console.log(`${name}: ${wide} px wide`)
  await page.screenshot({ path: path.join(options.phone, `${name}.png`), fullPage: true })
}

await prepare()
await withCulm(main, ['--slots=4'])
