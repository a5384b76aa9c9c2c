import { afterEach, beforeAll, expect, test } from 'vitest'
import { brokenInvariants } from '../../test/support/invariants.ts'
import { eventually, startTestServer, type TestServer } from '../../test/support/server.ts'
import type { Client } from '../contract/client.ts'
import type { ClaimReply, Report } from '../contract/pilots.ts'
import { sql } from '../store/db.ts'
import { timerOf } from '../store/timers.ts'

let server: TestServer
let user: Client
beforeAll(async () => {
  server = await startTestServer()
  user = server.user
})

afterEach(async () => {
  expect(await brokenInvariants(server.engine.db)).toEqual([])
})

const command = { kind: 'command' as const, command: ['true'] }
const text = (value: unknown) => ({ text: JSON.stringify(value) })

const newWorkflow = async (kind: 'function' | 'tasks' = 'function') =>
  (await user.call('createWorkflow', { body: { name: 'a workflow', kind } })).workflowId

const submit = (workflowId: `w${number}`, n: number, more: object = {}) =>
  user.call('submitTask', {
    body: {
      workflowId,
      name: 'a task',
      payload: command,
      jobs: Array.from({ length: n }, (_, i) => ({ args: text({ a: [i] }) })),
      ...more,
    },
  })

let pilots = 0
const newPilot = async (slots = 100) => {
  const { pilotId, epoch } = await server.pilot.call('registerPilot', {
    body: { name: `pilot-${++pilots}`, queue: 'local', slots, host: 'here', version: '1' },
  })
  let claimSeq = 0
  return {
    pilotId,
    epoch,
    claim: (waitSeconds = 5, jobs = slots, seq = ++claimSeq): Promise<ClaimReply> =>
      server.pilot.call('claim', {
        params: { id: pilotId },
        body: { epoch, claimSeq: seq, cores: slots, jobs, waitSeconds },
      }),
    report: (...reports: Report[]) =>
      server.pilot.call('report', { params: { id: pilotId }, body: { epoch, reports } }),
    leave: () => server.pilot.call('leavePilot', { params: { id: pilotId }, body: { epoch } }),
  }
}

const finished = (job: ClaimReply['jobs'][number], value: unknown = null): Report => ({
  jobId: job.jobId,
  attempt: job.attempt,
  what: 'finished',
  value: text(value),
})
const failed = (job: { jobId: Report['jobId']; attempt: number }, cause: Report['cause']): Report => ({
  jobId: job.jobId,
  attempt: job.attempt,
  what: 'failed',
  cause,
  error: { type: 'Oops', message: 'no' },
})

test('a task goes from its submission to its values, and the workflow that holds it ends with it', async () => {
  const workflowId = await newWorkflow('tasks')
  const { taskId } = await submit(workflowId, 3)
  await user.call('closeWorkflow', { params: { id: workflowId } })
  const pilot = await newPilot()
  const { jobs, tasks } = await pilot.claim()
  expect(jobs.map((j) => [j.index, j.attempt, j.args])).toEqual([0, 1, 2].map((i) => [i, 1, text({ a: [i] })]))
  expect(tasks).toMatchObject([{ taskId, payload: command }])
  const { answers } = await pilot.report(...jobs.map((job) => finished(job, job.index * 10)))
  expect(answers.map((a) => a.answer)).toEqual(['moved', 'moved', 'moved'])
  const { items } = await user.call('listOutcomes', { params: { id: taskId } })
  expect(items.map((o) => [o.index, o.state, o.value])).toEqual([0, 1, 2].map((i) => [i, 'finished', text(i * 10)]))
  const task = await eventually(async () => {
    const task = await user.call('getTask', { params: { id: taskId } })
    return task.state === 'done' && task
  }, 'the task is done')
  expect(task.counts).toEqual({ total: 3, finished: 3 })
  const workflow = await user.call('getWorkflow', { params: { id: workflowId } })
  expect([workflow.state, workflow.tasks, workflow.jobs]).toEqual([
    'done',
    { total: 1, ended: 1, failed: 0 },
    { total: 3, finished: 3 },
  ])
})

test('an open claim is answered when work comes', async () => {
  const pilot = await newPilot()
  const claimed = pilot.claim(20)
  const { taskId } = await submit(await newWorkflow(), 1)
  const { jobs } = await claimed
  expect(jobs.map((j) => j.taskId)).toEqual([taskId])
  await pilot.report(finished(jobs[0]!))
})

test('the same claim number gets the same jobs, and nothing beside them', async () => {
  const pilot = await newPilot(2)
  await submit(await newWorkflow(), 4)
  const first = await pilot.claim(5, 2, 7)
  const again = await pilot.claim(5, 2, 7)
  expect(again.jobs.map((j) => j.jobId)).toEqual(first.jobs.map((j) => j.jobId))
  const next = await pilot.claim(5, 2, 8)
  expect(next.jobs.map((j) => j.index)).toEqual([2, 3])
  await pilot.report(...[...first.jobs, ...next.jobs].map((j) => finished(j)))
})

test('a repeated report changes nothing, a wrong attempt is stale, another pilot has no say', async () => {
  const [pilot, other] = [await newPilot(), await newPilot()]
  const { taskId } = await submit(await newWorkflow(), 1)
  const { jobs } = await pilot.claim()
  const job = jobs[0]!
  expect((await other.report(finished(job, 'not mine'))).answers[0]?.answer).toBe('unknown')
  expect((await pilot.report({ ...finished(job, 'old'), attempt: 2 })).answers[0]?.answer).toBe('stale')
  expect((await pilot.report(finished(job, 'first'))).answers[0]?.answer).toBe('moved')
  expect((await pilot.report(finished(job, 'second'))).answers[0]?.answer).toBe('stale')
  const { items } = await user.call('listOutcomes', { params: { id: taskId } })
  expect(items[0]?.value).toEqual(text('first'))
})

test('how a job ended is one transaction: its state, its value or error, its attempt and its history', async () => {
  const [pilot, workflowId] = [await newPilot(), await newWorkflow()]
  const { taskId, firstJobId } = await submit(workflowId, 3)
  const parent = `j${Number(firstJobId!.slice(1)) + 2}`
  await submit(workflowId, 1, { jobs: [{ args: text({}), after: [parent] }] })
  const [plain, bad, withChild] = (await pilot.claim()).jobs
  for (const report of [finished(plain!), failed(bad!, 'user'), finished(withChild!)]) await pilot.report(report)
  const rows = await server.engine.db.rows<{ id: number; places: number; transactions: number }>(sql`
    select j.id, count(*)::int as places, count(distinct x.id)::int as transactions from job j
    cross join lateral (
      select j.xmin::text as id
      union all select r.xmin::text from result r where r.job_id = j.id
      union all select a.xmin::text from attempt a where a.job_id = j.id
      union all select h.xmin::text from history h where h.noun = 'job' and h.id = j.id and h.to_state = j.state) x
    where j.task_id = ${Number(taskId.slice(1))} group by j.id order by j.id`)
  expect(rows.map(({ places, transactions }) => [places, transactions])).toEqual([1, 2, 3].map(() => [4, 1]))
  await pilot.report(...(await pilot.claim()).jobs.map((job) => finished(job)))
})

test('the same journalled call is one task, also when it is asked twice at once', async () => {
  const workflowId = await newWorkflow()
  const call = { key: 'square:1', epoch: 1 }
  const made = await Promise.all([1, 2, 3, 4].map(() => submit(workflowId, 1, { call })))
  expect(new Set(made.map((m) => m.taskId)).size).toBe(1)
  expect(made.filter((m) => !m.known)).toHaveLength(1)
  await expect(submit(workflowId, 1, { call: { key: 'square:2', epoch: 9 } })).rejects.toMatchObject({
    code: 'driver_replaced',
  })
  const pilot = await newPilot()
  await pilot.report(...(await pilot.claim()).jobs.map((j) => finished(j)))
})

test('jobs wait for the jobs and tasks they need, and are released by the report that finishes these', async () => {
  const workflowId = await newWorkflow()
  const pilot = await newPilot()
  const first = await submit(workflowId, 2)
  const [a, b] = (await user.call('listJobs', { params: { id: first.taskId } })).items.map((j) => j.id)
  const child = await user.call('submitTask', {
    body: { workflowId, name: 'child', payload: command, jobs: [{ args: text({}), after: [a!, b!] }] },
  })
  const last = await submit(workflowId, 2, { after: [child.taskId] })
  const stateOf = async (id: `t${number}`) =>
    (await user.call('listJobs', { params: { id } })).items.map((j) => j.state)
  expect(await stateOf(child.taskId)).toEqual(['pending'])
  const claimed = await pilot.claim()
  expect(claimed.jobs.map((j) => j.taskId)).toEqual([first.taskId, first.taskId])
  await pilot.report(finished(claimed.jobs[0]!))
  expect(await stateOf(child.taskId)).toEqual(['pending'])
  await pilot.report(finished(claimed.jobs[1]!))
  expect(await stateOf(child.taskId)).toEqual(['activated'])
  expect(await stateOf(last.taskId)).toEqual(['pending', 'pending'])
  await pilot.report(...(await pilot.claim()).jobs.map((j) => finished(j)))
  const released = await pilot.claim()
  expect(released.jobs.map((j) => j.taskId)).toEqual([last.taskId, last.taskId])
  await pilot.report(...released.jobs.map((j) => finished(j)))
})

test('what needed a job that failed is cancelled, level by level, with the parent as its cause', async () => {
  const workflowId = await newWorkflow()
  const pilot = await newPilot()
  const first = await submit(workflowId, 1)
  const child = await user.call('submitTask', {
    body: { workflowId, name: 'child', payload: command, jobs: [{ args: text({}), after: [first.firstJobId!] }] },
  })
  const grandchild = await user.call('submitTask', {
    body: { workflowId, name: 'grandchild', payload: command, jobs: [{ args: text({}), after: [child.firstJobId!] }] },
  })
  const { jobs } = await pilot.claim()
  await pilot.report(failed(jobs[0]!, 'user'))
  for (const { taskId } of [child, grandchild])
    expect((await user.call('listOutcomes', { params: { id: taskId } })).items).toMatchObject([
      { state: 'cancelled', cause: 'parent' },
    ])
  await eventually(
    async () => (await user.call('getTask', { params: { id: grandchild.taskId } })).state === 'failed',
    'the last task failed',
  )
})

test('a failure of the place is tried again after a while, a failure of the user is not', async () => {
  const pilot = await newPilot()
  const { taskId } = await submit(await newWorkflow(), 2)
  const { jobs } = await pilot.claim()
  await pilot.report(failed(jobs[0]!, 'user'), failed(jobs[1]!, 'site'))
  const { items } = await user.call('listJobs', { params: { id: taskId } })
  expect(items.map((j) => [j.state, j.heldBy])).toEqual([
    ['failed', null],
    ['activated', 'timer'],
  ])
  const again = await pilot.claim(10)
  expect(again.jobs.map((j) => [j.index, j.attempt])).toEqual([[1, 2]])
  await pilot.report(finished(again.jobs[0]!))
  const job = await user.call('getJob', { params: { id: items[1]!.id } })
  expect(job.attempts.map((a) => [a.attempt, a.end, a.cause])).toEqual([
    [1, 'failed', 'site'],
    [2, 'finished', null],
  ])
})

test('a job that is cancelled while it waits to be tried again is not woken any more', async () => {
  const pilot = await newPilot()
  const { taskId } = await submit(await newWorkflow(), 1)
  const { jobs } = await pilot.claim()
  await pilot.report(failed(jobs[0]!, 'site'))
  await user.call('cancelTask', { params: { id: taskId } })
  const { id, state } = (await user.call('listJobs', { params: { id: taskId } })).items[0]!
  expect(state).toBe('cancelled')
  expect(await timerOf(server.engine.db, 'backOff', Number(id.slice(1)))).toBeUndefined()
})

test('cancelling: what waits is cancelled at once, what runs is asked for, and a result that comes first wins', async () => {
  const pilot = await newPilot(2)
  const { taskId } = await submit(await newWorkflow(), 4)
  const { jobs } = await pilot.claim(5, 2)
  expect(await user.call('cancelTask', { params: { id: taskId }, body: { why: 'enough' } })).toEqual({
    cancelled: 2,
    asked: 2,
  })
  const word = await pilot.claim(5, 2)
  expect(word.jobs).toEqual([])
  expect(word.cancel.map((c) => c.jobId).sort()).toEqual(jobs.map((j) => j.jobId).sort())
  await pilot.report(finished(jobs[0]!), { jobId: jobs[1]!.jobId, attempt: 1, what: 'cancelled' })
  const { items } = await user.call('listJobs', { params: { id: taskId } })
  expect(items.map((j) => j.state)).toEqual(['finished', 'cancelled', 'cancelled', 'cancelled'])
  await eventually(
    async () => (await user.call('getTask', { params: { id: taskId } })).state === 'aborted',
    'the task is aborted',
  )
  await expect(user.call('cancelTask', { params: { id: taskId } })).rejects.toMatchObject({ code: 'not_cancellable' })
})

test('a job that awaits gives its slot back, and gets one again in its own pilot with its attempt unchanged', async () => {
  const pilot = await newPilot(1)
  await submit(await newWorkflow(), 1)
  const { jobs } = await pilot.claim()
  const { jobId, attempt } = jobs[0]!
  await pilot.report({ jobId, attempt, what: 'awaiting' })
  expect((await user.call('getJob', { params: { id: jobId } })).state).toBe('awaiting')
  await pilot.report({ jobId, attempt, what: 'woken' })
  expect((await pilot.claim()).resumed).toEqual([{ jobId, attempt: 1 }])
  expect((await user.call('getJob', { params: { id: jobId } })).state).toBe('running')
  await pilot.report(finished(jobs[0]!))
})

test('a pilot that starts anew loses what its earlier self held; one that leaves gives it back uncounted', async () => {
  const { taskId } = await submit(await newWorkflow(), 1)
  const body = { name: 'phoenix', queue: 'local', slots: 1, host: 'here', version: '1' }
  const first = await server.pilot.call('registerPilot', { body })
  const claim = (epoch: number, claimSeq: number) =>
    server.pilot.call('claim', {
      params: { id: first.pilotId },
      body: { epoch, claimSeq, cores: 1, jobs: 1, waitSeconds: 5 },
    })
  const held = (await claim(1, 1)).jobs[0]!
  const second = await server.pilot.call('registerPilot', { body })
  expect([second.pilotId, second.epoch]).toEqual([first.pilotId, 2])
  await expect(claim(1, 2)).rejects.toMatchObject({ code: 'pilot_replaced' })
  expect((await claim(2, 1)).jobs).toMatchObject([{ jobId: held.jobId, attempt: 2 }])
  expect(await server.pilot.call('leavePilot', { params: { id: first.pilotId }, body: { epoch: 2 } })).toEqual({
    returned: 1,
  })
  const other = await newPilot()
  const { jobs } = await other.claim()
  expect(jobs[0]?.attempt).toBe(3)
  await other.report(finished(jobs[0]!))
  const { attempts } = await user.call('getJob', { params: { id: held.jobId } })
  expect(attempts.map((a) => a.end)).toEqual(['lost', 'returned', 'finished'])
  expect((await user.call('listOutcomes', { params: { id: taskId } })).items).toHaveLength(1)
})

test('who leaves before his stream was opened leaves nothing behind', async () => {
  const { engine, url, userToken } = server
  const workflowId = await newWorkflow()
  const open = (signal: AbortSignal) =>
    fetch(`${url}/v1/workflows/${workflowId}/stream?kinds=outcome`, {
      headers: { authorization: `Bearer ${userToken}` },
      signal,
    })
  const impatient = new AbortController()
  await engine.db.begin(async (tx) => {
    await tx.run(sql`lock table workflow in access exclusive mode`)
    const opening = open(impatient.signal).catch(() => {})
    const waits = sql`select from pg_locks l join pg_class c on c.oid = l.relation where c.relname = 'workflow' and not l.granted`
    await eventually(async () => (await engine.db.row(waits)) !== undefined, 'the request waits for the table')
    impatient.abort()
    await opening
  })
  // One that comes later is served later.
  const patient = new AbortController()
  await open(patient.signal)
  patient.abort()
  await eventually(async () => engine.hub.size === 0, 'nobody is spoken to')
})

test('the stream tells each outcome as it is registered, and resumes without a gap', async () => {
  const workflowId = await newWorkflow()
  const pilot = await newPilot()
  const ending = new AbortController()
  const stream = await user.open('streamWorkflow', {
    params: { id: workflowId },
    query: { kinds: 'outcome' },
    signal: ending.signal,
  })
  const seen: { kind: string; id: string | null; data: unknown }[] = []
  const reading = (async () => {
    for await (const sent of stream) seen.push(sent)
  })().catch(() => {})
  await submit(workflowId, 2)
  const { jobs } = await pilot.claim()
  await pilot.report(finished(jobs[0]!, 'one'))
  await eventually(async () => seen.some((s) => s.kind === 'outcome'), 'the first outcome was pushed')
  const cursor = await eventually(async () => seen.find((s) => s.id)?.id ?? undefined, 'a cursor came')
  ending.abort()
  await reading
  await pilot.report(finished(jobs[1]!, 'two'))
  const resumed = await user.open('streamWorkflow', {
    params: { id: workflowId },
    query: { kinds: 'outcome' },
    lastId: cursor,
  })
  // What was pushed shortly before may come once more with the tail of the history: a listener knows it by its job.
  const outcomes = new Map<unknown, unknown>()
  for await (const { kind, data } of resumed) {
    const { jobId, value } = data as { jobId: string; value: unknown }
    if (kind === 'outcome') outcomes.set(jobId, value)
    if (outcomes.size === 2) break
  }
  expect([...outcomes.values()]).toEqual([text('one'), text('two')])
})

test('a task that no more can be added to says so, and parts of an open one are taken once', async () => {
  const workflowId = await newWorkflow()
  const { taskId } = await submit(workflowId, 2, { open: true })
  const more = (firstIndex: number, n: number, close = false) =>
    user.call('addJobs', {
      params: { id: taskId },
      body: { firstIndex, jobs: Array.from({ length: n }, () => ({ args: text({}) })), close },
    })
  expect((await more(2, 3)).known).toBe(false)
  expect((await more(2, 3)).known).toBe(true)
  await expect(more(9, 1)).rejects.toMatchObject({ code: 'jobs_out_of_order', data: { nextIndex: 5 } })
  await more(5, 1, true)
  await expect(more(6, 1)).rejects.toMatchObject({ code: 'task_closed' })
  const pilot = await newPilot()
  const { jobs } = await pilot.claim()
  expect(jobs.map((j) => j.index)).toEqual([0, 1, 2, 3, 4, 5])
  await pilot.report(...jobs.map((j) => finished(j)))
  await eventually(
    async () => (await user.call('getTask', { params: { id: taskId } })).state === 'done',
    'the task is done',
  )
})

test('jobs that come to an open task after a task it needed has failed are cancelled, as those before them were', async () => {
  const workflowId = await newWorkflow()
  const pilot = await newPilot()
  const first = await submit(workflowId, 1)
  const { taskId } = await submit(workflowId, 1, { open: true, after: [first.taskId] })
  await pilot.report(failed((await pilot.claim()).jobs[0]!, 'user'))
  const outcomes = async () => (await user.call('listOutcomes', { params: { id: taskId } })).items
  await eventually(async () => (await outcomes()).length === 1, 'the first of its jobs is cancelled')
  await user.call('addJobs', {
    params: { id: taskId },
    body: { firstIndex: 1, jobs: [{ args: text({}) }], close: true },
  })
  expect(await outcomes()).toMatchObject([
    { state: 'cancelled', cause: 'parent' },
    { state: 'cancelled', cause: 'parent' },
  ])
  await eventually(
    async () => (await user.call('getTask', { params: { id: taskId } })).state === 'failed',
    'the task failed',
  )
})

test('a keyed request has one effect and one reply; another body under its key is refused', async () => {
  const body = { name: 'keyed', kind: 'tasks' as const }
  const [a, b] = await Promise.all([1, 2].map(() => user.call('createWorkflow', { body, key: 'one-two' })))
  expect(a).toEqual(b)
  await expect(user.call('createWorkflow', { body: { ...body, name: 'other' }, key: 'one-two' })).rejects.toMatchObject(
    { code: 'key_reused' },
  )
})

test('an ended workflow takes no more, and what it left running is cancelled', async () => {
  const workflowId = await newWorkflow()
  const { taskId } = await submit(workflowId, 1)
  await user.call('endWorkflow', { params: { id: workflowId }, body: { epoch: 1, state: 'done', value: text(42) } })
  await expect(submit(workflowId, 1)).rejects.toMatchObject({ code: 'workflow_ended' })
  await eventually(
    async () => (await user.call('getTask', { params: { id: taskId } })).state === 'aborted',
    'its task is aborted',
  )
  const workflow = await user.call('getWorkflow', { params: { id: workflowId } })
  expect([workflow.state, workflow.value]).toEqual(['done', text(42)])
})

test('the end of a log can be had without what comes before it', async () => {
  await submit(await newWorkflow(), 1)
  const pilot = await newPilot()
  const [job] = (await pilot.claim()).jobs
  const { jobId, attempt } = job!
  const chunks = ['one\n', 'two\n', 'three\n'].map((text, i) => ({
    ...{ jobId, attempt, stream: 'stdout' as const, offset: 4 * i, text },
  }))
  await server.pilot.call('sendLogs', { params: { id: pilot.pilotId }, body: { epoch: pilot.epoch, chunks } })
  const read = async (query: object) => (await user.call('jobLog', { params: { id: jobId }, query })).items
  expect((await read({ last: 2 })).map(({ text }) => text)).toEqual(['two\n', 'three\n'])
  expect((await read({ last: 2, attempt: attempt + 1 })).map(({ text }) => text)).toEqual([])
  await pilot.report(finished(job!))
})
