import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually, startTestServer, type TestServer } from '../../../test/support/server.ts'
import { files } from '../../main/files.ts'
import { runPilot } from '../../pilot/pilot.ts'
import { testCli } from '../testing/testCli.ts'

/** Programs of a user, run against a real server with a real pilot. */

let server: TestServer
/** In this process: for what calls no work of a TypeScript file, which is found by the stacks of plain Node. */
let cli: ReturnType<typeof testCli>
let folder: string
const stopping = new AbortController()
let pilot: Promise<void>
beforeAll(async () => {
  server = await startTestServer()
  folder = await mkdtemp(join(tmpdir(), 'culm-cli-run-'))
  cli = testCli(server, { cwd: folder, pythonPath: files.pythonPath })
  const { nodeRunner, secondThread, pythonPath } = files
  pilot = runPilot({
    ...{
      client: server.pilot,
      token: server.pilotToken,
      name: 'test',
      queue: 'local',
      slots: 2,
      host: 'here',
      version: '0',
    },
    ...{ nodeRunner, secondThread, pythonPath, folder: join(folder, 'pilot') },
    environment: { PATH: process.env.PATH, HOME: process.env.HOME },
    signal: stopping.signal,
    killSignal: stopping.signal,
  })
  for (const [name, text] of Object.entries(programs)) await writeFile(join(folder, name), text)
})
afterAll(async () => {
  stopping.abort()
  await pilot
  await rm(folder, { recursive: true, force: true })
})

type Ran = { code: number | null; out: string; err: string; json: () => unknown }

/** The program as it is shipped, in a process of its own: modules are loaded and signals sent as to a user. */
const start = (...argv: string[]) => {
  const env = {
    PATH: process.env.PATH,
    HOME: folder,
    TMPDIR: folder,
    CULM_SERVER: server.url,
    CULM_TOKEN: server.userToken,
  }
  const child = spawn(process.execPath, [files.cli, 'run', ...argv], { cwd: folder, env })
  const written = { out: '', err: '' }
  child.stdout.on('data', (chunk) => {
    written.out += chunk
  })
  child.stderr.on('data', (chunk) => {
    written.err += chunk
  })
  const ended = once(child, 'close').then(([code]): Ran => ({ code, ...written, json: () => JSON.parse(written.out) }))
  return { ended, err: () => written.err, interrupt: () => child.kill('SIGINT'), kill: () => child.kill('SIGKILL') }
}

const run = (...argv: string[]): Promise<Ran> => start(...argv).ended

const programs = {
  'scan.ts': `
    import { work, workflow } from 'culm'
    export const square = work((x: number): number => x * x)
    export const picky = work((x: number) => {
      if (x > 1) throw new RangeError('too much: ' + x)
      return x
    })
    export const forever = work(async () => {
      await new Promise((resolve) => setTimeout(resolve, 60_000))
    })
    export const scan = workflow(async (n: number, name = 'nobody', { cut = 0 } = {}) => {
      console.log('scanning')
      const squares = await square.map(Array.from({ length: n }, (_, i) => i))
      return { name, cut, sum: squares.reduce((a, b) => a + b, 0), at: new Date(0) }
    })
    export const failing = workflow(async () => picky(7))
    export const waiting = workflow(async () => forever())
    export const throwing = () => { throw 'no error at all' }`,
  'scan.py': `
import sys
from culm import work, workflow

@work
def square(x):
    return x * x

@workflow
def scan(n):
    return sum(square.map(range(n)))

@work
def forever():
    import time
    time.sleep(60)

@workflow
def waiting():
    forever()

if __name__ == '__main__':
    if sys.argv[1] == 'wait':
        waiting()
    elif sys.argv[1] == '--fail':
        raise ValueError('as asked')
    else:
        print('sum', scan(int(sys.argv[1])))
`,
  'broken.ts': 'export const x = (',
  'notes.txt': '',
}

const newestWorkflow = async () => (await server.user.call('listWorkflows', { query: { limit: 1 } })).items[0]!

test('a workflow runs attached: arguments are JSON where they are, progress goes to one side and the value to the other', async () => {
  const { code, out, err } = await run('scan.ts', '-e', 'scan', '10', 'ann', '{"cut": 0.5}')
  expect(err).toMatch(/^(w\d+ scan running, .*\n)*w\d+ scan done, .*: square 10\/10\n$/)
  expect([code, out]).toEqual([0, "scanning\n{ name: 'ann', cut: 0.5, sum: 285, at: 1970-01-01T00:00:00.000Z }\n"])
})

test('for programs the end is one JSON document, and what the program prints goes beside it', async () => {
  const { code, json, err } = await run('--json', 'scan.ts', '-e', 'scan', '3')
  expect([code, err]).toEqual([0, 'scanning\n'])
  const at = { $culm: 'datetime', v: '1970-01-01T00:00:00.000Z' }
  const value = { name: 'nobody', cut: 0, sum: 5, at }
  expect(json()).toEqual({ workflowId: expect.stringMatching(/^w\d+$/), state: 'done', value })
})

test('what fails is told with the way there, here and where it ran, and with what says more', async () => {
  const { code, out, err } = await run('-q', 'scan.ts', '--export', 'failing')
  const { id, state } = await newestWorkflow()
  expect([code, out, state]).toEqual([1, '', 'failed'])
  expect(err).toMatch(/^error: RemoteError: too much: 7\n/)
  expect(err).toContain(`(${folder}/scan.ts:16:`)
  expect(err).not.toMatch(/node:|node_modules/)
  expect(err).toMatch(/in picky \(j\d+ of t\d+, attempt 1\):\nRangeError: too much: 7\n/)
  expect(err.endsWith(`help: culm explain ${id}\n`)).toBe(true)
})

test('Ctrl-C cancels the workflow, also when it is heard twice', async () => {
  const running = start('scan.ts', '--export', 'waiting')
  await eventually(async () => running.err().includes('1 running'), 'its job runs')
  const { id } = await newestWorkflow()
  running.interrupt()
  running.interrupt()
  const { code, out, err } = await running.ended
  expect([code, out]).toEqual([130, ''])
  expect(err).toContain(`${id} is cancelled\n`)
  expect((await newestWorkflow()).state).toBe('cancelled')
})

test('a work may be run by its name, and numbers below zero are arguments', async () => {
  expect(await run('-q', 'scan.ts', '-e', 'square', '-12')).toMatchObject({ code: 0, out: '144\n', err: '' })
})

test('what cannot be run is told with what helps, what is thrown need not be an error, and no files are left', async () => {
  const choice = await cli.run('run', 'scan.ts')
  expect(choice).toMatchObject({
    ...{ code: 2, out: '' },
    err: 'error: scan.ts exports 3 workflows\nhelp: name one: --export failing, scan, waiting\n',
  })
  expect(await cli.run('run', 'scan.ts', '-e', 'throwing')).toMatchObject({ code: 1, err: 'error: no error at all\n' })
  const broken = await cli.run('run', 'broken.ts')
  expect(broken).toMatchObject({
    code: 1,
    err: expect.stringMatching(/^error: (.*\n)*.*broken\.ts:1:18.*\n(.*\n)*help: /),
  })
  expect(JSON.parse((await cli.run('run', '--json', 'broken.ts')).err)).toMatchObject({ code: 'bundle_failed' })
  expect(await cli.run('run', 'notes.txt')).toMatchObject({
    code: 2,
    err: expect.stringContaining('neither TypeScript'),
  })
  expect((await readdir(folder)).filter((name) => /^culm-\w{6}$/.test(name))).toEqual([])
})

test('a workflow function runs as a job, is one workflow with what it calls, and is found again by --continue', async () => {
  const ts = await run('--json', '--remote', 'scan.ts', '-e', 'scan', '4')
  expect([ts.code, ts.err]).toEqual([0, ''])
  expect(ts.json()).toMatchObject({ state: 'done', value: { sum: 14 } })
  const { id, kind, state } = await newestWorkflow()
  expect([kind, state, (ts.json() as { workflowId: string }).workflowId]).toEqual(['job', 'done', id])
  const { items } = await server.user.call('listTasks', { query: { workflowId: id } })
  expect(items.map(({ name, counts }) => [name, counts.total]).sort()).toEqual([
    ['scan', 1],
    ['square', 4],
  ])
  expect((await run('--json', 'scan.ts', '-e', 'scan', '4', '--continue', id)).json()).toEqual(ts.json())
  const python = await cli.run('run', '--json', '--remote', 'scan.py', '4')
  expect([python.code, python.err]).toEqual([0, 'sum 14\n'])
  expect(python.json()).toMatchObject({ state: 'done', value: 14 })
  expect((await newestWorkflow()).kind).toBe('job')
})

test('what runs as a job goes on when the command that waits for it is killed, and is cancelled by Ctrl-C', async () => {
  const running = start('--remote', 'scan.ts', '--export', 'waiting')
  await eventually(async () => running.err().includes('running'), 'it is shown')
  const { id } = await newestWorkflow()
  running.kill()
  await running.ended
  expect((await newestWorkflow()).state).toBe('running')
  const again = start('scan.ts', '--export', 'waiting', '--continue', id)
  await eventually(async () => again.err().includes(`${id} waiting running`), 'it is found again')
  again.interrupt()
  expect((await again.ended).code).toBe(130)
  expect(await newestWorkflow()).toMatchObject({ id, state: 'cancelled' })
  expect(await cli.run('run', '-q', '--remote', 'scan.ts', '-e', 'square', '2')).toMatchObject({ code: 2 })
})

test('a Python file runs as a script, with its progress beside what it prints', async () => {
  const { code, out, err } = await cli.run('run', 'scan.py', '10')
  expect(err).toMatch(/^(w\d+ scan running, .*\n)*w\d+ scan done, .*: square 10\/10\n$/)
  expect([code, out]).toEqual([0, 'sum 285\n'])
  const json = await cli.run('run', '--json', 'scan.py', '4')
  expect([json.code, json.err]).toEqual([0, 'sum 14\n'])
  expect(json.json()).toEqual({ workflowId: expect.stringMatching(/^w\d+$/), state: 'done', value: 14 })
})

test('a Python file that fails is exit code 1, one that is interrupted cancels its workflow', async () => {
  const failed = await cli.run('run', 'scan.py', '--', '--fail')
  expect(failed).toMatchObject({ code: 1, out: '', err: expect.stringContaining('ValueError: as asked') })
  const running = cli.start(['run', 'scan.py', 'wait'])
  await eventually(async () => running.err().includes('1 running'), 'its job runs')
  running.interrupt()
  expect((await running.ended).code).toBe(130)
  expect((await newestWorkflow()).state).toBe('cancelled')
  const none = await cli.run('run', 'scan.py', '--python', '/no/such/python')
  expect(none).toMatchObject({ code: 2, err: expect.stringContaining('help: name the interpreter: --python PATH') })
})
