import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { type ClaimedJob, scriptedPilot } from '../../src/cli/testing/scriptedPilot.ts'
import { type Ran, testCli } from '../../src/cli/testing/testCli.ts'
import { files } from '../../src/main/files.ts'
import { runPilot } from '../../src/pilot/pilot.ts'
import { eventually, startTestServer, type TestServer } from '../support/server.ts'

vi.setConfig({ testTimeout: 180_000 })

/** The command line in Python beside the one for Node, on one server: what the one prints, the other prints. */

let server: TestServer
let node: ReturnType<typeof testCli>
let folder: string
let pilot: Awaited<ReturnType<typeof scriptedPilot>>
beforeAll(async () => {
  server = await startTestServer()
  folder = await mkdtemp(path.join(tmpdir(), 'culm-python-cli-'))
  node = testCli(server, { cwd: folder, pythonPath: files.pythonPath })
  pilot = await scriptedPilot(server.pilot)
})
afterAll(() => rm(folder, { recursive: true, force: true }))

type Options = { env?: NodeJS.ProcessEnv; typed?: string }
type Shown = Pick<Ran, 'code' | 'out' | 'err'>

const pythonEnv = (): NodeJS.ProcessEnv => ({
  ...{ PATH: process.env.PATH, HOME: '/none', LANG: 'C.UTF-8', PYTHONPATH: files.pythonPath },
  ...{ CULM_SERVER: server.url, CULM_TOKEN: server.userToken },
})

/** A process of its own, to be interrupted. */
const startPython = (argv: string[]) => {
  const child = spawn('python3', ['-m', 'culm', ...argv], { cwd: folder, env: pythonEnv() })
  const written = { out: '', err: '' }
  child.stdout.on('data', (chunk) => {
    written.out += chunk
  })
  child.stderr.on('data', (chunk) => {
    written.err += chunk
  })
  const ended = once(child, 'close').then(([code]): Shown => ({ code, ...written }))
  return { ended, err: () => written.err, interrupt: () => child.kill('SIGINT') }
}

/** Carries out command lines one after the other in one process, which saves the start of as many. */
const manyCommands = `
import io, json, os, sys
from culm.cli.program import run_cli
env = dict(os.environ)
for line in sys.stdin.buffer:
    asked = json.loads(line)
    os.environ.clear()
    os.environ.update({**env, **asked['env']})
    sys.stdin = io.TextIOWrapper(io.BytesIO(asked['typed'].encode()))
    out, err = io.StringIO(), io.StringIO()
    code = run_cli(asked['argv'], out, err)
    print(json.dumps({'code': code, 'out': out.getvalue(), 'err': err.getvalue()}), flush=True)
`

let many: { child: ChildProcess; lines: AsyncIterator<string> }
beforeAll(() => {
  const child = spawn('python3', ['-c', manyCommands], {
    cwd: folder,
    env: pythonEnv(),
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  many = { child, lines: createInterface({ input: child.stdout! })[Symbol.asyncIterator]() }
})
afterAll(() => many.child.stdin!.end())

const python = async (argv: string[], { env = {}, typed = '' }: Options = {}): Promise<Shown> => {
  many.child.stdin!.write(`${JSON.stringify({ argv, env, typed })}\n`)
  return JSON.parse((await many.lines.next()).value)
}

/** What the two say need not agree in: how old things are, and which numbers new ones get. */
const comparable = ({ code, out, err }: Shown): Shown => {
  const same = (text: string) =>
    text
      .replace(/ *\b\d+[sm]\b/g, ' #s')
      .replace(/\b(\d+(\.\d)? s|\d+ m \d\d s)\b/g, '# s')
      .replace(/"(seenAt|requestId)":"[^"]*"/g, '"$1":"#"')
  return { code, out: same(out), err: same(err) }
}

/** Both at the same time, as what they show has an age. @returns what they agree in. */
const both = async (argv: string[], options: Options = {}): Promise<Shown> => {
  const [ofNode, ofPython] = await Promise.all([node.start(argv, options).ended, python(argv, options)])
  expect(comparable(ofPython), argv.join(' ')).toEqual(comparable(ofNode))
  return ofPython
}

/** The same where new things are made: their ids are of their own. */
const bothMake = async (argvOf: (n: number) => string[] | Promise<string[]>, options: Options = {}): Promise<Shown> => {
  const first = await node.start(await argvOf(0), options).ended
  const second = await python(await argvOf(1), options)
  const anonymous = (shown: Shown) => {
    const { code, out, err } = comparable(shown)
    return { code, out: out.replace(/\b[wtj]\d+/g, '#'), err: err.replace(/\b[wtj]\d+/g, '#') }
  }
  expect(anonymous(second)).toEqual(anonymous(first))
  return second
}

type Submitted = { workflowId: `w${number}`; taskId: `t${number}`; firstJobId: `j${number}` }

const submit = async (...options: string[]) =>
  (await node.run('submit', '--json', ...options, '--', 'true')).json() as Submitted

const fail = (job: ClaimedJob) =>
  pilot.report(job, {
    what: 'failed',
    cause: 'user',
    exitCode: 3,
    error: { type: 'ValueError', message: 'bad cut', stack: '  File "fit.py", line 3\nValueError: bad cut' },
    usage: { wallSeconds: 65, maxRssMb: 1300 },
  })

/** A task of three jobs: the first has printed and finished with a value, the second has failed, the third waits for a pilot. */
const varied = async () => {
  const submitted = await submit(
    '-n',
    '3',
    '--name',
    'fit 測定',
    '--label',
    'run=7',
    '--attempts',
    'site=4',
    '--lost-after',
    '2m',
  )
  const jobs = await pilot.claim()
  await pilot.print(jobs[0]!, 'stdout', 'one\ntwo')
  await pilot.print(jobs[0]!, 'stderr', 'uh\n')
  await pilot.tell(jobs[0]!, 'loss', [1, 0.5, 1e21, 'NaN'], 2.5, 10)
  await pilot.finish(jobs[0]!, 'χ² is 3.5')
  await fail(jobs[1]!)
  await pilot.report(jobs[2]!, { what: 'returned' })
  await eventually(async () => {
    const params = { id: submitted.taskId }
    const { counts } = await server.user.call('getTask', { params })
    const { items } = await server.user.call('taskTroubles', { params })
    return counts.finished === 1 && counts.failed === 1 && counts.activated === 1 && items.length === 1
  }, 'its jobs are counted, and what failed is told')
  return { ...submitted, jobIds: jobs.map((job) => job.jobId) }
}

test('lists, pages of one thing, explanations and logs are the same, for people, with colours, and for programs', async () => {
  const { workflowId, taskId, jobIds } = await varied()
  const commands = [
    ...[['ls'], ['ls', 'tasks'], ['ls', 'queues'], ['ls', 'pilots'], ['ls', '-n', '1', '--all'], ['ls', workflowId]],
    ...[
      ['ls', taskId],
      ['ls', taskId, '--state', 'failed'],
      ['ls', '--owner', 'nobody'],
      ['ls', '-q', '--state', 'paused'],
      ['ls', '--label', 'run=7'],
      ['ls', 'tasks', '--label', 'run=7'],
      ['ls', workflowId, '--label', 'no=such'],
    ],
    ...[workflowId, taskId, ...jobIds].flatMap((id) => [
      ['show', id],
      ['explain', id],
    ]),
    ...[
      ['logs', jobIds[0]!],
      ['logs', jobIds[0]!, '--stderr'],
      ['logs', '--all', workflowId],
      ['logs', jobIds[2]!],
      ['show', jobIds[0]!, '--metrics'],
      ['show', jobIds[1]!, '--metrics'],
    ],
    ...[['whoami'], ['open'], ['open', taskId]],
  ]
  for (const argv of commands)
    for (const [more, env] of [
      [[], {}],
      [[], { FORCE_COLOR: '1', LANG: 'C' }],
      [['--json'], {}],
    ] as const) {
      const { code, out } = await both([...argv, ...more], { env })
      expect(code).toBe(0)
      if (env.FORCE_COLOR && argv[0] !== 'logs' && argv[0] !== 'open' && out !== '')
        expect(out).toMatch(/\u001b\[|^ann/)
    }
  await finishAll()
})

test('what goes wrong is told in the same words, and with the same exit code', async () => {
  const { workflowId } = await submit()
  const commands = [
    ...[
      ['show', 'w999999'],
      ['ls', 't999999'],
      ['logs', 'j999999'],
      ['watch', 'w999999'],
      ['explain', 'nonsense'],
    ],
    ...[
      ['cancel', 'w0'],
      ['pause', 'j1'],
      ['priority', '9000', 't1'],
      ['retry', 'w0'],
      ['ls', '--label', 'x'],
      ['ls', '--state', 'sleeping'],
      ['ls', 'tasks', '--state', 'x'],
      ['ls', 't1', '--state', 'x'],
    ],
    ...[
      ['ls', 'jobs'],
      ['ls', 'j1'],
      ['ls', 'jobs', workflowId],
      ['lss'],
      ['ls', '--al'],
      ['show'],
      ['show', 'w1', 'w2'],
      ['show', '--effective', 'j999999'],
    ],
    ...[
      ['ls', '-n'],
      ['ls', '-n', '0'],
      ['submit', '--memory', 'much', '--', 'true'],
      ['submit', '--after', 'w3', '--', 'x'],
    ],
    ...[
      ['submit', '--secret', 'x', '--', 'true'],
      ['submit', '--label', '=', '--', 'true'],
      ['completion', 'tcsh'],
    ],
    ...[['submit', '--time', 'soon', '--', 'true'], ['submit', '--queue', 'nowhere', '--', 'true'], ['submit']],
    ...[
      ['submit', '--priority', '9000', '--cores', '5000', '--', 'true'],
      ['run', 'nowhere.py'],
      ['run', 'notes.txt'],
    ],
    ...[
      ['run', 'empty.py', '--accept-code'],
      ['run', 'empty.py', '--continue'],
      ['run', 'empty.py', '-c', 'x'],
    ],
    ...[
      ['run', 'empty.py', '-c', workflowId],
      ['whoami', '--token', 'no'],
    ],
    ...[
      ['whoami', '--server', 'http://culm.example'],
      ['secret', 'set', 'empty'],
      ['secret', 'rm', 'unknown'],
      ['logs', 't1', 'x'],
    ],
    ...[['secret', 'sett'], ['--foo'], ['--server']],
  ]
  await writeFile(path.join(folder, 'notes.txt'), '')
  await writeFile(path.join(folder, 'empty.py'), '')
  for (const argv of commands) {
    expect((await both(argv)).code, argv.join(' ')).toBeGreaterThan(0)
    expect((await both(['--json', ...argv])).out).toBe('')
  }
  await finishAll()
})

test('help is the same, and so are completions but for the verbs that Node alone carries out', async () => {
  const { out: help } = await node.run('--help')
  const verbs = [...help.matchAll(/^ {2}([a-z]+)[ [<]/gm)].map(([, verb]) => verb!)
  const ofNode = ['up', 'server', 'agents', 'pilot', 'doctor', 'queue', 'user', 'experiment', 'token']
  const withOwnPython = ['run', 'bundle']
  const own = verbs.filter((verb) => ![...ofNode, ...withOwnPython, 'help'].includes(verb))
  expect(own.length).toBeGreaterThan(10)
  for (const argv of [...own.map((verb) => [verb, '--help']), ['help', 'ls'], ['secret'], ['secret', 'rm', '-h']])
    expect((await both(argv)).code).toBe(0)
  const interpreter = /that of VIRTUAL_ENV,\s+else [^-]*/
  for (const verb of withOwnPython) {
    const [ours, theirs] = await Promise.all([python([verb, '--help']), node.run(verb, '--help')])
    expect(ours.out.replace(interpreter, '')).toBe(theirs.out.replace(interpreter, ''))
  }
  for (const shell of ['bash', 'zsh', 'fish']) {
    const linesOf = (out: string) =>
      out
        .split('\n')
        .filter((line) =>
          own.some((verb) => new RegExp(`^ {4}${verb}\\)|use_subcommand -a ${verb} |_from ${verb}'`).test(line)),
        )
    const [python_, node_] = await Promise.all([python(['completion', shell]), node.run('completion', shell)])
    expect(linesOf(node_.out).length).toBeGreaterThan(own.length - 1)
    expect(linesOf(python_.out)).toEqual(linesOf(node_.out))
  }
})

test('the completion of bash offers verbs, and after a verb its options and choices', async () => {
  const { out } = await python(['completion', 'bash'])
  const offered = (...words: string[]) => {
    const line = ['culm', ...words].map((word) => `'${word}'`).join(' ')
    const script = `${out}\nCOMP_WORDS=(${line}); COMP_CWORD=${words.length}; _culm; printf '%s\\n' "\${COMPREPLY[@]}"`
    return execFileSync('bash', ['-c', script], { encoding: 'utf8' }).trim().split('\n')
  }
  expect(offered('s')).toEqual(['server', 'submit', 'show', 'secret'])
  expect(offered('submit', '--mem')).toEqual(['--memory'])
  expect(offered('completion', 'f')).toEqual(['fish'])
})

test('what is submitted, cancelled and kept is the same', async () => {
  const options = [
    ...['-n', '3', '--name', 'scan', '--queue', 'local', '--cores', '2', '--memory', '2GB', '--time', '1h30m'],
    ...['--site', 'local', '--gpus', '2', '--attempts', 'memory=3'],
    ...['--priority', '2000', '--label', 'run=7', '--label', 'by=ann', '--folder', 'data'],
    ...['--requirements', 'numpy==1.26.4', '--image', 'python:3.12', '--init-env', 'source setup.sh'],
  ]
  const command = ['--', 'sh', '-c', 'echo "$CULM_INDEX"', '-n', '--json']
  const parent = await submit()
  const tasks: object[] = []
  for (const run of [(argv: string[]) => node.start(argv).ended, python]) {
    const { out } = await run(['submit', '--json', ...options, '--after', parent.taskId, ...command])
    const { taskId, firstJobId } = JSON.parse(out) as Submitted
    const { id, workflowId, createdAt, counts, ...task } = await server.user.call('getTask', { params: { id: taskId } })
    tasks.push(task)
    for (const id of [workflowId, taskId, firstJobId])
      for (const more of [[], ['--json']]) expect((await both(['show', '--effective', id, ...more])).code).toBe(0)
    expect((await run(['cancel', taskId, '--why', 'a mistake'])).out).toBe(`${taskId}: 3 jobs cancelled\n`)
  }
  expect(tasks[1]).toEqual(tasks[0])
  await bothMake(() => ['submit', ...options, ...command])
  const one = () => submit().then(({ firstJobId }) => firstJobId)
  await bothMake(async () => ['cancel', '--json', await one(), await one()])
  // The fold that counts a task as come cancels what it finds of a workflow that has ended, and leaves less to who asked.
  const counted = async () => {
    const made = await submit()
    await eventually(
      async () => (await server.user.call('getTask', { params: { id: made.taskId } })).counts.activated === 1,
      'its job is counted',
    )
    return made
  }
  await bothMake(async () => ['cancel', (await counted()).workflowId, await one()])
  const cancelled = async () => {
    const made = await submit()
    await node.run('cancel', made.workflowId)
    await eventually(
      async () => (await server.user.call('getTask', { params: { id: made.taskId } })).endedAt !== null,
      'its task has ended',
    )
    return made
  }
  await bothMake(async () => ['retry', (await cancelled()).workflowId, (await cancelled()).taskId])
  await both(['retry', 't999999'])
  await bothMake(async () => ['retry', '--json', (await cancelled()).firstJobId, '--why', 'another try'])
  await bothMake(async () => ['pause', (await counted()).taskId, (await counted()).workflowId, '--why', 'lunch'])
  await bothMake(async () => ['priority', '2000', (await counted()).taskId, (await counted()).workflowId])
  await bothMake(async () => ['finish', '--json', (await counted()).taskId])
  const paused = async () => {
    const made = await counted()
    await node.run('pause', made.taskId)
    return made.taskId
  }
  await bothMake(async () => ['resume', await paused(), 't999999'])
  await both(['secret', 'set', 'password'], { typed: 'hush\n' })
  await both(['secret', 'ls'])
  await both(['secret', 'set', 'pin'], { typed: 'abc' })
  for (const run of [node.run, (...argv: string[]) => python(argv)]) {
    await node.start(['secret', 'set', 'pin'], { typed: 'abcd' }).ended
    expect((await run('secret', 'rm', 'pin')).out).toBe('removed: pin\n')
  }
  await finishAll()
})

test('what would be shipped is the same, and so is what is refused', async () => {
  await writeFile(path.join(folder, 'flow.py'), "from culm import work\n\n@work(files=['*.csv'])\ndef f(): pass\n")
  for (const name of ['points.csv', 'draft.csv']) await writeFile(path.join(folder, name), name)
  await writeFile(path.join(folder, '.culmignore'), 'draft.*\n')
  for (const argv of [['flow.py'], ['flow.py', '--list'], ['flow.py', '--json']])
    expect((await both(['bundle', ...argv])).code).toBe(0)
  for (const argv of [['nowhere.py'], ['draft.csv'], ['flow.py', '--python', '/no/python']])
    expect((await python(['bundle', ...argv])).code).toBe(2)
  await writeFile(path.join(folder, 'key.csv'), `-----BEGIN PRIVATE KEY-----\n${'A'.repeat(40)}\n`)
  const refused = await python(['bundle', 'flow.py'])
  expect([refused.code, refused.err]).toEqual([1, expect.stringContaining('key.csv (a private key)')])
})

test('following shows the same, to the end and to its exit code', async () => {
  const follow = async (argv: (submitted: Submitted) => string[], end: (jobs: ClaimedJob[]) => Promise<unknown>) => {
    const submitted = await submit('-n', '2')
    const jobs = await pilot.claim()
    const followed = Promise.all([node.start(argv(submitted)).ended, python(argv(submitted))])
    await pilot.print(jobs[1]!, 'stdout', 'x\ny')
    await end(jobs)
    const [ofNode, ofPython] = await followed
    // Between the first and the last line each shows what it happens to see.
    const ends = ({ code, out, err }: Shown) => ({
      code,
      out,
      err: comparable({ code, out, err }).err.split('\n').slice(-3),
    })
    expect(ends(ofPython)).toEqual(ends(ofNode))
    return ofPython
  }
  const finish = (jobs: ClaimedJob[]) => Promise.all(jobs.map((job) => pilot.finish(job)))
  expect(await follow(({ workflowId }) => ['watch', workflowId], finish)).toMatchObject({ code: 0, out: '' })
  expect(
    await follow(
      ({ firstJobId }) => ['watch', firstJobId],
      (jobs) => Promise.all(jobs.map(fail)),
    ),
  ).toMatchObject({
    code: 1,
    err: expect.stringMatching(/failed 0\/2|2 failed/),
  })
  const all = await follow(({ taskId }) => ['logs', '-f', '--all', taskId], finish)
  expect(all.out).toMatch(/^j\d+ \| x\nj\d+ \| y\n$/)

  const { workflowId } = await submit('-n', '2')
  const notices = python(['watch', '--json', workflowId])
  await finish(await pilot.claim())
  const told = (await notices).out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  expect(told.at(-1)).toMatchObject({ kind: 'workflow', data: { id: workflowId, state: 'done' } })

  const waited = python(['submit', '--wait', '--json', '--', 'fit'])
  await finish(await pilot.claim())
  expect(JSON.parse((await waited).out)).toMatchObject({ jobs: 1, workflow: { state: 'done' } })
})

test('Ctrl-C ends the watching and not the workflow', async () => {
  const { workflowId } = await submit()
  const watching = startPython(['watch', workflowId])
  await eventually(async () => watching.err() !== '', 'it is shown', 60_000)
  watching.interrupt()
  const { code, err } = await watching.ended
  expect([code, err]).toEqual([
    130,
    expect.stringContaining(`${workflowId} goes on; culm cancel ${workflowId} ends it\n`),
  ])
  expect((await server.user.call('getWorkflow', { params: { id: workflowId } })).endedAt).toBeNull()
  await finishAll()
})

test('who reads no more ends it, without a word', async () => {
  const script = `python3 -m culm ls --all -n 500 | head -n 1; echo "\${PIPESTATUS[0]}"`
  const child = spawn('bash', ['-c', script], { cwd: folder, env: pythonEnv(), stdio: ['ignore', 'pipe', 'pipe'] })
  let printed = ''
  child.stdout.on('data', (chunk) => {
    printed += chunk
  })
  child.stderr.on('data', (chunk) => {
    printed += chunk
  })
  await once(child, 'close')
  expect(printed).toMatch(/^ID .*\n0\n$/)
})

test('who has logged in by one of them has by the other, and nothing is kept of a token that is refused', async () => {
  for (const [first, second] of [
    [python, (argv: string[], options: Options) => node.start(argv, options).ended],
    [(argv: string[], options: Options) => node.start(argv, options).ended, python],
  ] as const) {
    const home = path.join(await mkdtemp(path.join(folder, 'home-')), 'culm')
    const env = { CULM_HOME: home, CULM_SERVER: '', CULM_TOKEN: '' }
    const refused = await first(['login', server.url], { env, typed: 'wrong' })
    expect([refused.code, refused.err]).toEqual([1, expect.stringMatching(/^error: .*\nhelp: .*culm login/)])
    expect((await first(['ls'], { env })).code).toBe(3)
    const { code, out, err } = await first(['login', server.url], { env, typed: `${server.userToken}\n` })
    expect([code, err]).toEqual([0, `kept in ${home}/login.json, for you alone\n`])
    expect(((await stat(`${home}/login.json`)).mode & 0o777).toString(8)).toBe('600')
    expect((await stat(home)).mode & 0o077).toBe(0)
    expect(await second(['whoami'], { env })).toMatchObject({ code: 0, out })
    expect((await first(['whoami', '--server', 'http://127.0.0.1:1'], { env })).code).toBe(3)
    expect(await second(['login'], { env, typed: server.userToken })).toMatchObject({ code: 0, out })
  }
})

describe('a script', () => {
  const stopping = new AbortController()
  let running: Promise<void>
  beforeAll(async () => {
    await writeFile(path.join(folder, 'scan.py'), scan)
    const { nodeRunner, secondThread, pythonPath } = files
    running = runPilot({
      ...{ client: server.pilot, token: server.pilotToken, name: 'test', queue: 'local', slots: 2, host: 'here' },
      ...{ version: '0', nodeRunner, secondThread, pythonPath, folder: path.join(folder, 'pilot') },
      environment: { PATH: process.env.PATH, HOME: process.env.HOME },
      signal: stopping.signal,
      killSignal: stopping.signal,
    })
  })
  afterAll(async () => {
    stopping.abort()
    await running
  })

  const newest = async () => (await server.user.call('listWorkflows', { query: { limit: 1 } })).items[0]!

  test('runs attached: what it prints, its progress, its exit code and its document are the same', async () => {
    const last = ({ code, out, err }: Shown) => ({
      code,
      out,
      err: comparable({ code, out, err }).err.split('\n').at(-2),
    })
    for (const argv of [
      ['run', 'scan.py', '10'],
      ['run', '-q', 'scan.py', '3'],
      ['run', 'scan.py', '--', '--fail'],
    ]) {
      const ofNode = last(await node.run(...argv))
      const ofPython = last(await python(argv))
      expect({ ...ofPython, err: ofPython.err?.replace(/^w\d+/, '#') }).toEqual({
        ...ofNode,
        err: ofNode.err?.replace(/^w\d+/, '#'),
      })
    }
    const { code, out, err } = await python(['run', '--json', 'scan.py', '4'])
    expect([code, err]).toEqual([0, 'sum 14\n'])
    expect(JSON.parse(out)).toEqual({ workflowId: (await newest()).id, state: 'done', value: 14 })
  })

  test('that is interrupted has its workflow cancelled', async () => {
    const waiting = startPython(['run', 'scan.py', 'wait'])
    await eventually(async () => waiting.err().includes('1 running'), 'its job runs', 60_000)
    waiting.interrupt()
    expect((await waiting.ended).code).toBe(130)
    expect((await newest()).state).toBe('cancelled')
  })

  test('that was killed goes on where it was, by --continue', async () => {
    const marks = path.join(folder, 'marks')
    const killed = startPython(['run', 'scan.py', 'resume', marks])
    await eventually(async () => (await readFile(marks, 'utf8').catch(() => '')) !== '', 'it has begun', 60_000)
    process.kill(Number(await readFile(`${marks}.pid`, 'utf8')), 'SIGKILL')
    expect((await killed.ended).code).toBe(1)
    const { id } = await newest()
    await writeFile(`${marks}.go`, '')
    const { code, out, err } = await python(['run', 'scan.py', 'resume', marks, '--continue'])
    expect([code, out], err).toEqual([0, '49\n'])
    expect(err).toMatch(new RegExp(`^${id} is continued, which was (running|paused)\n`))
    expect(await readFile(marks, 'utf8')).toBe('square 7\n')
  })

  test('in TypeScript is handed to Node', async () => {
    await writeFile(
      path.join(folder, 'scan.ts'),
      "import { work, workflow } from 'culm'\nexport const square = work((x: number) => x * x)\nexport const main = workflow(async (x: number) => square(x))\n",
    )
    const { code, out } = await startPython(['run', '-q', 'scan.ts', '7']).ended
    expect([code, out]).toEqual([0, '49\n'])
  })
})

const finishAll = async () => {
  for (const job of await pilot.claim()) await pilot.finish(job)
}

const scan = `
import os, sys, time
from culm import work, workflow

@work
def square(x):
    return x * x

@work
def marked(x, path):
    with open(path, 'a') as file:
        print('square', x, file=file)
    return x * x

@workflow
def scan(n):
    return sum(square.map(range(n)))

@work
def forever():
    time.sleep(60)

@workflow
def waiting():
    forever()

@workflow
def resuming(path):
    with open(path + '.pid', 'w') as file:
        file.write(str(os.getpid()))
    value = marked(7, path)
    while not os.path.exists(path + '.go'):
        time.sleep(0.05)
    return value

if __name__ == '__main__':
    if sys.argv[1] == 'wait':
        waiting()
    elif sys.argv[1] == 'resume':
        print(resuming(sys.argv[2]))
    elif sys.argv[1] == '--fail':
        raise ValueError('as asked')
    else:
        print('sum', scan(int(sys.argv[1])))
`
