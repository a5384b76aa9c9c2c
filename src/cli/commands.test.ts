import { randomUUID } from 'node:crypto'
import { beforeAll, expect, test } from 'vitest'
import { eventually, startTestServer, type TestServer } from '../../test/support/server.ts'
import { forgetTokens } from '../services/access/authenticate.ts'
import { sql } from '../store/db.ts'
import { submitTask } from './submit/submitTask.ts'
import { type ClaimedJob, scriptedPilot } from './testing/scriptedPilot.ts'
import { testCli } from './testing/testCli.ts'

let server: TestServer
let cli: ReturnType<typeof testCli>
let pilot: Awaited<ReturnType<typeof scriptedPilot>>
beforeAll(async () => {
  server = await startTestServer()
  cli = testCli(server)
  pilot = await scriptedPilot(server.pilot)
})

type Submitted = { workflowId: `w${number}`; taskId: `t${number}`; firstJobId: `j${number}`; jobs: number }

const submit = async (...options: string[]) =>
  (await cli.run('submit', '--json', ...options, '--', 'true')).json() as Submitted

const ended = (workflowId: `w${number}`) =>
  eventually(async () => {
    const workflow = await server.user.call('getWorkflow', { params: { id: workflowId } })
    return workflow.endedAt !== null && workflow
  }, `${workflowId} has ended`)

const fail = (job: ClaimedJob) =>
  pilot.report(job, {
    what: 'failed',
    cause: 'user',
    exitCode: 3,
    error: { type: 'ValueError', message: 'bad cut', stack: '  File "fit.py", line 3\nValueError: bad cut' },
    usage: { wallSeconds: 65, maxRssMb: 1300 },
  })

/** A task of three jobs: the first finishes with a value, the second fails, the third finishes. */
const partlyFailed = async () => {
  const submitted = await submit('-n', '3', '--name', 'fit')
  const jobs = await pilot.claim()
  await pilot.finish(jobs[0]!, { chi2: 3.5 })
  await fail(jobs[1]!)
  await pilot.finish(jobs[2]!)
  await ended(submitted.workflowId)
  return { ...submitted, jobIds: jobs.map((job) => job.jobId) }
}

/** A task of one job that a pilot runs. */
const running = async () => {
  const submitted = await submit()
  const [job] = await pilot.claim()
  return { ...submitted, job: job! }
}

test('submit gives the task what was asked for, prints the ids, and what it waited for releases it', async () => {
  const first = await running()
  const { code, out, err } = await cli.run(
    ...[
      'submit',
      '-n',
      '3',
      '--name',
      'scan',
      '--queue',
      'local',
      '--cores',
      '2',
      '--memory',
      '2GB',
      '--time',
      '1h30m',
    ],
    ...['--priority', '2000', '--label', 'run=7', '--label', 'by=ann', '--after', `${first.taskId},${first.job.jobId}`],
    ...['--folder', 'data', '--', 'sh', '-c', 'echo "$CULM_INDEX"', '-n', '--json'],
  )
  expect([code, err]).toEqual([0, ''])
  const [, workflowId, taskId, from, to] = /^(w\d+) (t\d+) j(\d+)-j(\d+)\n$/.exec(out)!
  expect(Number(to) - Number(from)).toBe(2)
  const task = await server.user.call('getTask', { params: { id: taskId as `t${number}` } })
  expect(task).toMatchObject({
    name: 'scan',
    queue: 'local',
    state: 'pending',
    workflowId,
    labels: { run: '7', by: 'ann' },
  })
  expect(task.payload).toEqual({
    kind: 'command',
    command: ['sh', '-c', 'echo "$CULM_INDEX"', '-n', '--json'],
    folder: '/data',
  })
  await pilot.finish(first.job)
  const claimed = await eventually(async () => {
    const jobs = await pilot.claim()
    return jobs.length > 0 && jobs
  }, 'its jobs are released')
  expect(claimed.map((job) => job.index)).toEqual([0, 1, 2])
  await Promise.all(claimed.map((job) => pilot.finish(job)))
  expect((await ended(workflowId as `w${number}`)).state).toBe('done')
})

test('submit --wait follows to the end, and its exit code says how that was', async () => {
  const good = cli.start(['submit', '--wait', '--', '/bin/fit', '--fast'])
  await pilot.finish((await pilot.claim())[0]!)
  const { code, out, err } = await good.ended
  expect([code, out]).toEqual([0, expect.stringMatching(/^w\d+ t\d+ j\d+\n$/)])
  expect(err).toMatch(/^(w\d+ fit (registered|running), .*\n)*w\d+ fit done, .*: fit 1\/1\n$/)

  const bad = cli.start(['submit', '--wait', '--json', '--', 'fit'])
  await fail((await pilot.claim())[0]!)
  const failed = await bad.ended
  expect([failed.code, failed.err]).toEqual([1, ''])
  expect(failed.json()).toMatchObject({ workflowId: expect.any(String), jobs: 1, workflow: { state: 'failed' } })
})

test('more jobs than one request takes are all submitted', async () => {
  const payload = { kind: 'command' as const, command: ['true'] }
  const options = { jobs: 5, jobsPerRequest: 2 }
  const { workflowId, taskId, firstJobId } = await submitTask(server.user, { name: 'many', payload }, options)
  const claimed = [...(await pilot.claim()), ...(await pilot.claim(0))]
  expect(claimed.map((job) => job.index)).toEqual([0, 1, 2, 3, 4])
  expect(claimed[0]).toMatchObject({ taskId, jobId: firstJobId })
  await Promise.all(claimed.map((job) => pilot.finish(job)))
  expect((await ended(workflowId)).state).toBe('done')
})

test('what submit was refused leaves no workflow open', async () => {
  const { code, err } = await cli.run('submit', '--queue', 'nowhere', '--name', 'refused', '--', 'true')
  expect([code, err]).toEqual([1, expect.stringMatching(/^error: .*nowhere.*\nhelp: .*\n$/)])
  const listed = (await cli.run('ls', '--json', '-n', '1')).json()
  expect(listed).toMatchObject([{ name: 'refused', state: 'cancelled' }])
})

test('ls shows the newest workflows with their numbers, and for programs all that is known', async () => {
  const { workflowId } = await partlyFailed()
  const { code, out, err } = await cli.run('ls', '-n', '1')
  const [titles, row] = out.split('\n')
  expect([code, err]).toEqual([0, 'the first 1; more with -n\n'])
  expect(titles!.split(/ +/)).toEqual(['ID', 'NAME', 'STATE', 'TASKS', 'JOBS', 'OWNER', 'AGE'])
  expect(row).toMatch(new RegExp(`^${workflowId} +fit +◐ finished 2/3, 1 failed +1/1 +3 +ann +\\ds$`))
  const [newest] = (await cli.run('ls', '--json', '-n', '1')).json() as [object]
  expect(newest).toEqual(await server.user.call('getWorkflow', { params: { id: workflowId } }))
})

test('ls shows your own, those of another, or everybody’s, and those in one state', async () => {
  const bob = await server.person('bob')
  const { workflowId } = await bob.call('createWorkflow', { body: { name: 'of bob', kind: 'function' } })
  const idsOf = async (...argv: string[]) =>
    (await cli.run('ls', '--json', '-n', '500', ...argv)).json() as { id: string; owner: string; state: string }[]
  expect((await idsOf()).map((w) => w.id)).not.toContain(workflowId)
  expect((await idsOf('--owner', 'bob')).map((w) => w.id)).toEqual([workflowId])
  const all = await idsOf('--all')
  expect(new Set(all.map((w) => w.owner))).toEqual(new Set(['ann', 'bob']))
  const done = await idsOf('--state', 'done')
  expect(new Set(done.map((w) => w.state))).toEqual(new Set(['done']))
  const { code, err } = await cli.run('ls', '--state', 'sleeping')
  expect([code, err]).toEqual([2, expect.stringContaining('help: one of registered, running')])
})

test('ls of an id is what is below it; queues and pilots are listed by name', async () => {
  const { workflowId, taskId, jobIds } = await partlyFailed()
  const first = async (...argv: string[]) => (await cli.run('ls', ...argv)).out.split('\n')[1]
  expect(await first(workflowId)).toMatch(
    new RegExp(`^${taskId} +fit +◐ finished 2/3, 1 failed +3 +local +${workflowId} +ann`),
  )
  expect(await first('tasks', workflowId)).toBe(await first(workflowId))
  expect(await first('tasks')).toMatch(new RegExp(`^${taskId} `))
  const jobs = (await cli.run('ls', taskId)).out.trimEnd().split('\n').slice(1)
  expect(jobs.map((line) => line.split(/ +/))).toEqual([
    [jobIds[0], '0', '✓', 'finished', '1'],
    [jobIds[1], '1', '✗', 'failed', '1', 'user'],
    [jobIds[2], '2', '✓', 'finished', '1'],
  ])
  expect((await cli.run('ls', taskId, '--state', 'failed', '--json')).json()).toMatchObject([{ id: jobIds[1] }])
  expect(await first('queues')).toMatch(/^local +local +✓ online +1 +100 +0 +0 +0$/)
  expect(await first('pilots')).toMatch(new RegExp(`^${pilot.pilotId} +pilot-1 +✓ online +local +node-7 +0 +100`))
  for (const [argv, help] of [
    [['jobs'], 'culm ls t34 lists the jobs of a task'],
    [[jobIds[0]!], `culm show ${jobIds[0]}`],
    [['jobs', workflowId], `culm ls ${workflowId} lists its tasks`],
  ] as const) {
    const { code, err } = await cli.run('ls', ...argv)
    expect([code, err]).toEqual([2, expect.stringContaining(`help: ${help}`)])
  }
})

test('a list fits the terminal, and is whole where nobody says how wide it may be', async () => {
  const name = 'a-name-that-takes-more-room-than-there-is'.repeat(3)
  const { workflowId } = await submit('--name', name)
  const narrow = await cli.start(['ls', '-n', '1', '--no-color'], { tty: true, columns: 60 }).ended
  for (const line of narrow.out.split('\n')) expect(line.length).toBeLessThanOrEqual(60)
  expect(narrow.out).toContain('…')
  expect((await cli.run('ls', '-n', '1')).out).toContain(name)
  const colored = await cli.start(['ls', '-n', '1'], { tty: true }).ended
  expect(colored.out).toContain('\u001b[')
  expect((await cli.start(['ls', '-n', '1', '--json'], { tty: true }).ended).out).not.toContain('\u001b[')
  await cli.run('cancel', workflowId)
})

test('show tells of a job all that happened to it: attempts, the error with its remote stack, moves, and what to try', async () => {
  const { workflowId, taskId, jobIds } = await partlyFailed()
  const { out } = await cli.run('show', jobIds[1]!)
  expect(out).toContain(`${jobIds[1]} fit [1]  ✗ failed\n`)
  expect(out).toMatch(new RegExp(`task +${taskId} of ${workflowId}`))
  expect(out).toMatch(/1 +✗ failed +user +3 +p\d+ +node-7 +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d +1 m 05 s +1\.3 GB\n/)
  expect(out).toContain('\n  File "fit.py", line 3\nValueError: bad cut\n')
  expect(out).toMatch(/activated → sent +claimed\n.*sent → failed +gaveUp: /)
  expect(out).toMatch(new RegExp(`why: its own code failed \\(user_error\\)\n(  .*\n)+try: culm logs ${jobIds[1]}\n$`))
  const json = (await cli.run('show', '--json', jobIds[1]!)).json()
  expect(json).toMatchObject({
    id: jobIds[1],
    attempts: [{ exitCode: 3 }],
    history: [{ to: 'sent' }, { to: 'failed' }],
    explanation: { cause: 'user_error' },
  })
})

test('show tells of workflows and tasks their numbers, what is below them, and their own moves only', async () => {
  const { workflowId, taskId, jobIds } = await partlyFailed()
  const workflow = (await cli.run('show', workflowId)).out
  expect(workflow).toMatch(new RegExp(`^${workflowId} fit  ◐ finished 2/3, 1 failed\n`))
  expect(workflow).toMatch(/jobs +3: 2 finished, 1 failed\n/)
  expect(workflow).toMatch(new RegExp(`\n${taskId} +fit +◐ finished`))
  expect(workflow).toMatch(/running → finished +partly/)
  expect(workflow).not.toContain('someFinished')
  const task = (await cli.run('show', taskId)).out
  expect(task).toMatch(/runs +true\n/)
  expect(task).toMatch(new RegExp(`\n${jobIds[1]} +1 +✗ failed`))
  expect(task).toMatch(/running → finished +someFinished/)
  expect((await cli.run('show', jobIds[0]!)).out).toMatch(/value +\{ chi2: 3.5 \}\n/)
  expect((await cli.run('show', jobIds[2]!)).out).not.toContain('value')
})

test('show and explain tell of a task which kinds of failure it had most, and a job of each', async () => {
  const { workflowId, taskId } = await submit('-n', '9')
  const jobs = await pilot.claim()
  const messages = ['rare', 'often 1', 'often 2', 'often 3', 'twice 1', 'twice 2', 'thrice 1', 'thrice 2', 'thrice 3']
  for (const [i, message] of messages.entries())
    await pilot.report(jobs[i]!, { what: 'failed', cause: 'user', error: { type: 'FitError', message, stack: '' } })
  await ended(workflowId)
  await eventually(async () => {
    const { items } = await server.user.call('taskTroubles', { params: { id: taskId } })
    return items.reduce((sum, { attempts }) => sum + attempts, 0) === jobs.length
  }, 'all that failed is told')
  const lines = [
    `3 failed attempts (user), last ${jobs[8]!.jobId}: FitError: thrice 3`,
    `3 failed attempts (user), last ${jobs[3]!.jobId}: FitError: often 3`,
    `2 failed attempts (user), last ${jobs[5]!.jobId}: FitError: twice 2`,
  ]
  expect((await cli.run('explain', taskId)).out).toContain(`\n  ${lines.join('\n  ')}\n`)
  expect((await cli.run('show', taskId)).out).toContain(`\n\n${lines.join('\n')}\n\n`)
  expect((await cli.run('explain', workflowId)).out).not.toContain('failed attempts')
  const narrow = await cli.start(['explain', taskId, '--no-color'], { tty: true, columns: 30 }).ended
  expect(narrow.out).toContain('\n  3 failed attempts (user), l…\n')
  const json = (await cli.run('show', '--json', taskId)).json()
  expect(json).toMatchObject({
    troubles: [{ text: 'FitError: thrice 3' }, {}, {}, { text: 'FitError: rare', attempts: 1 }],
  })
})

test('show tells how far a job is, and its metrics as a table, in pages that nobody sees', async () => {
  const { job, taskId } = await running()
  await pilot.tell(job, 'loss', [1, 'NaN', 0.25], 3, 8)
  expect((await cli.run('show', job.jobId)).out).toMatch(/progress +3 of 8 \(37%\), fitting, \d+s ago\n/)
  const { out } = await cli.run('show', job.jobId, '--metrics')
  const lines = out.trimEnd().split('\n')
  expect(lines[0]).toMatch(/^METRIC +STEP +VALUE +ATTEMPT +AT$/)
  expect(lines.slice(1).map((line) => line.split(/ +/).slice(0, 4))).toEqual([
    ['loss', '0', '1', '1'],
    ['loss', '1', 'NaN', '1'],
    ['loss', '2', '0.25', '1'],
  ])
  await pilot.tell(job, 'accuracy', new Array(1500).fill(0.5), 8, 8)
  const all = (await cli.run('show', '--json', job.jobId, '--metrics')).json() as { name: string; step: number }[]
  expect(all.map(({ name, step }) => `${name} ${step}`)).toEqual([
    ...Array.from({ length: 1500 }, (_, step) => `accuracy ${step}`),
    ...['loss 0', 'loss 1', 'loss 2'],
  ])
  const refused = await cli.run('show', taskId, '--metrics')
  expect([refused.code, refused.err]).toEqual([2, expect.stringContaining(`culm ls ${taskId}`)])
  await pilot.finish(job)
  const silent = await running()
  expect(await cli.run('show', silent.job.jobId, '--metrics')).toMatchObject({
    ...{ code: 0, out: '', err: `${silent.job.jobId} has told no metrics so far\n` },
  })
  await pilot.finish(silent.job)
})

test('what a task was asked for is shown in the words in which it was asked', async () => {
  const options = [
    '--cores',
    '2',
    '--memory',
    '3GB',
    '--gpus',
    '1',
    '--time',
    '90m',
    '--attempts',
    'user=2,memory=3,lost=9',
  ]
  const { taskId, workflowId } = await submit(...options, '--lost-after', '5m', '--priority', '7')
  expect(await server.user.call('getTask', { params: { id: taskId } })).toMatchObject({
    ...{ cores: 2, memoryMb: 3000, wallSeconds: 5400, priority: 7, attempts: { user: 2, memory: 3, site: 3, lost: 9 } },
    gpus: 1,
    lostAfterSeconds: 300,
  })
  const { out } = await cli.run('show', taskId)
  expect(out).toContain(
    'cores 2, memory 3.0 GB, gpus 1, time 1 h 30 m, priority 7, attempts user=2, attempts memory=3, attempts lost=9, lost after 5 m 00 s\n',
  )
  await cli.run('cancel', workflowId)
  const plain = await submit()
  expect((await cli.run('show', plain.taskId)).out).toMatch(/needs +cores 1\n/)
  await cli.run('cancel', plain.workflowId)
})

test('where a task runs is said by it, or by its queue; both are shown with who said it', async () => {
  const beOperator = async (is: boolean) => {
    await server.engine.db.run(sql`update person set operator = ${is} where name = 'ann'`)
    forgetTokens(server.engine)
  }
  await beOperator(true)
  const lines = ['--init-env', 'source setup.sh', '--image', 'host']
  expect((await cli.run('queue', 'environment', 'local', ...lines)).out).toBe('local says initEnv, image\n')
  const { taskId, workflowId } = await submit('--requirements', 'numpy==1.26.4', '--image', 'python:3.12')
  const { payload } = await server.user.call('getTask', { params: { id: taskId } })
  expect(payload.environment).toEqual({ requirements: 'numpy==1.26.4', image: 'python:3.12' })
  const { out } = await cli.run('show', '--effective', taskId)
  expect(out).toMatch(/^requirements +numpy==1\.26\.4 +submission$/m)
  expect(out).toMatch(/^initEnv +source setup\.sh +queue local$/m)
  expect(out).toMatch(/^image +python:3\.12 +submission$/m)
  expect((await cli.run('queue', 'environment', 'local')).out).toBe('local says nothing\n')
  await beOperator(false)
  await cli.run('cancel', workflowId)
  expect((await cli.run('submit', '--conda', 'none.txt', '--', 'true')).err).toContain('/none.txt cannot be read')
})

test('explain says in one sentence why, what shows it, and what to try', async () => {
  const { job, workflowId } = await running()
  const { out } = await cli.run('explain', job.jobId)
  expect(out).toMatch(
    new RegExp(
      `^${job.jobId} is sent: .*\n  p\\d+ on node-7 is online, last heard \\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d\n`,
    ),
  )
  expect(out).toMatch(new RegExp(`\ntry: culm logs -f ${job.jobId}\n$`))
  expect((await cli.run('explain', '--json', workflowId)).json()).toMatchObject({
    subject: workflowId,
    cause: expect.any(String),
  })
  await pilot.finish(job)
})

test('logs go where the job wrote them, by stream and by attempt', async () => {
  const { job, taskId, workflowId } = await running()
  await pilot.print(job, 'stdout', 'one\n')
  await pilot.print(job, 'stderr', 'uh\n')
  await pilot.report(job, { what: 'returned' })
  const [again] = await pilot.claim()
  await pilot.print(again!, 'stdout', 'two')
  const logs = async (...argv: string[]) => {
    const { code, out, err } = await cli.run('logs', ...argv)
    return [code, out, err]
  }
  expect(await logs(job.jobId)).toEqual([0, 'one\ntwo', 'uh\nattempt 2:\n'])
  expect(await logs(taskId, '-q')).toEqual([0, 'one\ntwo', 'uh\n'])
  expect(await logs(workflowId, '--attempt', '1')).toEqual([0, 'one\n', 'uh\n'])
  expect(await logs(job.jobId, '--stderr')).toEqual([0, '', 'uh\n'])
  expect((await cli.run('logs', job.jobId, '--json', '--stdout')).jsonLines()).toMatchObject([
    { jobId: job.jobId, attempt: 1, stream: 'stdout', offset: 0, text: 'one\n' },
    { attempt: 2, text: 'two' },
  ])
  await pilot.finish(again!)
})

test('logs -f goes on until the job has ended', async () => {
  const { job } = await running()
  const following = cli.start(['logs', '-f', job.jobId])
  await pilot.print(job, 'stdout', 'first ')
  await eventually(async () => following.out() === 'first ', 'the first words are shown')
  await pilot.print(job, 'stdout', 'last\n', 6)
  await pilot.finish(job)
  expect(await following.ended).toMatchObject({ code: 0, out: 'first last\n', err: '' })
})

test('logs of several jobs are asked for by name, or all with the job before each line', async () => {
  const { taskId, workflowId } = await submit('-n', '2')
  const [a, b] = await pilot.claim()
  await pilot.print(a!, 'stdout', 'x\ny')
  await pilot.print(b!, 'stdout', 'z\n')
  const { code, err } = await cli.run('logs', taskId)
  expect([code, err]).toEqual([2, expect.stringContaining(`culm logs ${taskId} --all`)])
  expect((await cli.run('logs', workflowId, '--all')).out).toBe(`${a!.jobId} | x\n${a!.jobId} | y\n${b!.jobId} | z\n`)
  const following = cli.start(['logs', '-f', '--all', workflowId])
  await pilot.finish(a!)
  await pilot.finish(b!)
  expect((await following.ended).out.trimEnd().split('\n').sort()).toEqual(
    [`${a!.jobId} | x`, `${a!.jobId} | y`, `${b!.jobId} | z`].sort(),
  )
})

test('cancel says what it did, and one that has ended does not keep it from the others', async () => {
  const old = await partlyFailed()
  const { job, taskId } = await running()
  const waiting = await submit()
  const { code, out, err } = await cli.run('cancel', old.workflowId, taskId, waiting.firstJobId, '--why', 'a mistake')
  expect(code).toBe(1)
  expect(out).toBe(
    `${taskId}: 1 job asked to stop: they end when their pilot confirms\n${waiting.firstJobId}: 1 job cancelled\n`,
  )
  expect(err).toMatch(new RegExp(`^error: ${old.workflowId} is finished\nhelp: .*\n$`))
  expect((await cli.run('show', waiting.firstJobId)).out).toContain('a mistake')
  await pilot.report(job, { what: 'cancelled' })
  const more = await submit()
  expect((await cli.run('cancel', '--json', more.workflowId)).json()).toEqual([
    { id: more.workflowId, cancelled: 1, asked: 0 },
  ])
})

test('pause, resume, priority and finish say what becomes of what waits', async () => {
  const { taskId, workflowId } = await submit('-n', '3')
  await eventually(
    async () => (await server.user.call('getTask', { params: { id: taskId } })).counts.activated === 3,
    'its jobs are counted',
  )
  expect((await cli.run('pause', taskId, '--why', 'lunch')).out).toBe(
    `${taskId}: paused; 3 jobs wait until it is resumed\n`,
  )
  expect((await cli.run('explain', taskId)).out).toContain(`culm resume ${taskId}`)
  expect((await cli.run('resume', taskId)).out).toBe(`${taskId}: goes on; 3 jobs wait to begin\n`)
  expect((await cli.run('priority', '20', workflowId)).out).toBe(`${workflowId}: priority 20; 3 jobs wait\n`)
  expect((await cli.run('finish', taskId)).out).toBe(`${taskId}: begins nothing more; 3 jobs cancelled\n`)
  const { code, err } = await cli.run('resume', taskId)
  expect(code).toBe(1)
  expect(err).toMatch(new RegExp(`^error: ${taskId} is .*\nhelp: .*\n$`))
})

test('retry says how many jobs run again, and what can be done where none does', async () => {
  const old = await partlyFailed()
  const { taskId, job } = await running()
  const { code, out, err } = await cli.run('retry', taskId, old.workflowId, '--why', 'the disk was full')
  expect(code).toBe(1)
  expect(out).toBe(`${old.workflowId}: 1 job runs again\n`)
  expect(err).toMatch(
    new RegExp(`^error: ${taskId} is (ready|running): it can be retried when it has ended\nhelp: .*\n$`),
  )
  expect((await cli.run('show', old.taskId)).out).toMatch(/retried +once/)
  const again = await submit()
  await cli.run('cancel', again.workflowId)
  await eventually(
    async () => (await server.user.call('getTask', { params: { id: again.taskId } })).endedAt !== null,
    'its task has ended',
  )
  expect((await cli.run('retry', '--json', again.firstJobId)).json()).toEqual([{ id: again.firstJobId, retried: 1 }])
  for (const back of [job, ...(await pilot.claim())]) await pilot.finish(back)
  expect((await ended(old.workflowId)).state).toBe('done')
  const run = { id: randomUUID(), key: 'session', program: 'my scan.py' }
  const body = { name: 'f', kind: 'function' as const, run }
  const { workflowId, epoch } = await server.user.call('createWorkflow', { body })
  await server.user.call('endWorkflow', { params: { id: workflowId }, body: { epoch, state: 'failed' } })
  expect((await cli.run('retry', workflowId)).out).toBe(
    `${workflowId}: 0 jobs run again; its program goes on with: culm run 'my scan.py' --continue ${workflowId}\n`,
  )
})

test('watch follows a workflow to its end; of a job it is the workflow of that', async () => {
  const { workflowId, firstJobId } = await submit('-n', '2')
  const lines = cli.start(['watch', firstJobId])
  const notices = cli.start(['watch', '--json', workflowId])
  await eventually(async () => lines.err().includes('0/2'), 'it is shown')
  for (const job of await pilot.claim()) await pilot.finish(job, 7)
  const { code, out, err } = await lines.ended
  expect([code, out]).toEqual([0, ''])
  expect(err).toMatch(new RegExp(`\n${workflowId} true done, .*: true 2/2\n$`))
  const told = (await notices.ended).jsonLines() as { kind: string; data: object }[]
  expect(told.at(-1)).toMatchObject({ kind: 'workflow', data: { id: workflowId, state: 'done' } })
  expect(told.filter((notice) => notice.kind === 'outcome')).toHaveLength(2)
})

test('Ctrl-C ends the watching and not the workflow', async () => {
  const { workflowId, job } = await running()
  const watching = cli.start(['watch', workflowId])
  await eventually(async () => watching.err() !== '', 'it is shown')
  watching.interrupt()
  const { code, err } = await watching.ended
  expect([code, err]).toEqual([
    130,
    expect.stringContaining(`${workflowId} goes on; culm cancel ${workflowId} ends it\n`),
  ])
  expect((await server.user.call('getWorkflow', { params: { id: workflowId } })).endedAt).toBeNull()
  await pilot.finish(job)
})

test('on a terminal the progress is drawn in place', async () => {
  const { workflowId } = await submit('-n', '2')
  const watching = cli.start(['watch', workflowId], { tty: true, env: { NO_COLOR: '1' } })
  const jobs = await pilot.claim()
  await pilot.finish(jobs[0]!)
  await eventually(async () => watching.err().includes('1/2'), 'half of it is drawn')
  await pilot.finish(jobs[1]!)
  const { err } = await watching.ended
  // The last drawing, after the one before was taken back.
  expect(err.split('\u001b[2A\u001b[0J').at(-1)).toMatch(
    new RegExp(`^${workflowId} true ✓ done \\d.*\n  true  █{30}  2/2\n$`),
  )
})

test('whoami and open say who and where', async () => {
  expect((await cli.run('whoami')).out).toMatch(/^ann of default, in users\nhttp:\/\/127\.0\.0\.1:\d+, Culm .*\n$/)
  expect((await cli.run('whoami', '--json')).json()).toMatchObject({ name: 'ann', kind: 'user', url: server.url })
  expect((await cli.run('open')).out).toBe(`${server.url}/#token=${server.userToken}\n`)
  expect((await cli.run('open', 'w1', '--json')).json()).toEqual({
    url: `${server.url}/#token=${server.userToken}&id=w1`,
  })
})

test('unknown and wrong ids are told with what helps, as text or as a problem', async () => {
  for (const [argv, code, detail] of [
    [['show', 'w999999'], 1, 'there is no w999999'],
    [['ls', 't999999'], 1, 'there is no t999999'],
    [['logs', 'j999999'], 1, 'there is no j999999'],
    [['watch', 'w999999'], 1, 'there is no w999999'],
    [['explain', 'nonsense'], 2, '"nonsense" is not the id of a workflow, task or job'],
    [['cancel', 'w0'], 2, '"w0" is not the id of a workflow, task or job'],
  ] as const) {
    const text = await cli.run(...argv)
    expect([text.code, text.out, text.err], argv.join(' ')).toEqual([
      code,
      '',
      expect.stringMatching(/^error: .*\nhelp: .*\n$/),
    ])
    expect(text.err).toContain(`error: ${detail}\n`)
    const json = await cli.run(...argv, '--json')
    expect([json.code, json.out]).toEqual([code, ''])
    expect(JSON.parse(json.err)).toMatchObject({
      type: expect.stringMatching(/^urn:culm:fault:/),
      code: expect.any(String),
      detail,
      help: expect.any(String),
    })
  }
})

test('a token that is not known is refused with what helps', async () => {
  const { code, err } = await cli.run('ls', '--token', 'stolen')
  expect([code, err]).toEqual([1, expect.stringMatching(/^error: .*\nhelp: .*token.*\n$/)])
})
