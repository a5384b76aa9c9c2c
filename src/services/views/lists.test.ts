import { afterAll, beforeAll, expect, test } from 'vitest'
import { startWorld } from '../../../test/support/engines.ts'
import { newTask, taskQuery } from '../../contract/tasks.ts'
import { newWorkflow, workflowQuery } from '../../contract/workflows.ts'
import { readId } from '../../lib/ids.ts'
import { sql } from '../../store/db.ts'
import { ensurePerson } from '../../store/people.ts'
import { admitToken, authenticate } from '../access/authenticate.ts'
import { cancelTask } from '../steer/cancel.ts'
import { labelTask, labelWorkflow } from '../steer/labels.ts'
import { submitTask } from '../submit/submitTask.ts'
import { closeWorkflow, createWorkflow } from '../workflows/workflows.ts'
import { search } from './search.ts'
import { listTasks } from './tasks.ts'
import { listWorkflows } from './workflows.ts'

let world: Awaited<ReturnType<typeof startWorld>>
type Someone = Awaited<ReturnType<typeof authenticate>>
let ann: Someone
let bob: Someone
let queue: string

const person = async (name: string): Promise<Someone> => {
  const { db, clock } = world.first
  const personId = await ensurePerson(db, { experimentId: 1, name, admin: false, now: clock() })
  await admitToken(world.first, `token of ${name}`, { personId, note: 'test' })
  return authenticate(world.first, `Bearer token of ${name}`)
}

const workflow = async (owner: Someone, name: string, labels = {}) =>
  (await createWorkflow(world.first, owner, newWorkflow.parse({ name, kind: 'tasks', labels }))).workflowId

const task = async (owner: Someone, workflowId: string, name: string, labels = {}) => {
  const payload = { kind: 'command', command: ['true'] }
  const jobs = [{ args: { text: '{}' } }]
  const asked = newTask.parse({ workflowId, name, queue, payload, jobs, labels })
  return (await submitTask(world.first, owner, asked)).taskId
}

const tasks = async (q: object) => {
  const page = await listTasks(world.first, ann, taskQuery.parse(q))
  return page.items.map(({ name }) => name).join(' ')
}

const workflows = async (q: object) => {
  const page = await listWorkflows(world.first, ann, workflowQuery.parse(q))
  return page.items.map(({ name }) => name).join(' ')
}

/** Two kinds of error; that which came first comes once more at the end. */
const failTwice = async (place: Awaited<ReturnType<typeof world.place>>) => {
  await place.submit(3)
  const pilot = await place.pilot()
  for (const [i, job] of (await pilot.take()).entries()) {
    world.jump(1)
    const message = i === 1 ? 'the Valve is stuck' : `no CRYOSTAT at 0x${i}f, the valve is shut`
    const error = { type: 'SlowControl', message, stack: '' }
    await pilot.report([{ jobId: job.jobId, attempt: job.attempt, what: 'failed', cause: 'user', error }])
  }
}

beforeAll(async () => {
  world = await startWorld()
  const place = await world.place()
  await failTwice(place)
  queue = place.queue
  ann = place.ann
  bob = await person('bob')
  const first = await workflow(ann, 'Scan-1', { campaign: 'north', run: '1' })
  await task(ann, first, 'fit')
  await task(ann, first, 'Fit.again', { run: '2', note: 'a=b, c' })
  world.jump(3600)
  const second = await workflow(bob, 'scan-2', { campaign: 'north', run: '2' })
  const stopped = await task(bob, second, 'merge')
  await cancelTask(world.first, bob, readId('t', stopped)!, 'no more')
  await workflow(bob, 'other')
  await closeWorkflow(world.first, bob, readId('w', second)!)
  await world.look()
})

afterAll(() => world.close())

test.each([
  [{ label: 'campaign=north' }, 'merge Fit.again fit'],
  [{ label: ['campaign=north', 'run=2'] }, 'merge Fit.again'],
  [{ label: ['run=1', 'run=2'] }, ''],
  [{ label: 'note=a=b, c' }, 'Fit.again'],
  [{ label: 'campaign=south' }, ''],
  [{ label: 'campaign=north', owner: 'ann', text: 'AGAIN' }, 'Fit.again'],
  [{ owner: 'bob' }, 'merge'],
  [{ owner: 'nobody' }, ''],
  [{ text: 'fit' }, 'Fit.again fit'],
  [{ text: '%' }, ''],
  [{ state: ['aborted', 'done'] }, 'merge'],
  [{ state: 'ready', label: 'campaign=north' }, 'Fit.again fit'],
  [{ since: '2030-01-01T00:30:00Z' }, 'merge'],
  [{ until: '2030-01-01T00:30:00Z', label: 'run=2' }, 'Fit.again'],
])('tasks like %j are %j', async (q, names) => {
  expect(await tasks(q)).toBe(names)
})

test.each([
  [{ label: 'campaign=north' }, 'scan-2 Scan-1'],
  [{ label: ['campaign=north', 'run=1'] }, 'Scan-1'],
  [{ text: 'SCAN', owner: 'bob' }, 'scan-2'],
  [{ state: ['failed', 'cancelled', 'finished'], text: 'scan' }, 'scan-2'],
  [{ since: '2030-01-01T00:30:00Z', label: 'campaign=north' }, 'scan-2'],
])('workflows like %j are %j', async (q, names) => {
  expect(await workflows(q)).toBe(names)
})

test('pages follow one another with the same filters', async () => {
  const filter = { label: 'campaign=north', limit: 2 }
  const page = await listTasks(world.first, ann, taskQuery.parse(filter))
  expect(page.items.map(({ name }) => name)).toEqual(['merge', 'Fit.again'])
  const rest = await listTasks(world.first, ann, taskQuery.parse({ ...filter, after: page.next }))
  expect(rest.items.map(({ name }) => name)).toEqual(['fit'])
  expect(rest.next).toBeNull()
})

test('labels are set and removed by whom it belongs to; lists follow, and tasks that are there keep theirs', async () => {
  const id = await workflow(ann, 'relabelled', { stage: 'one', colour: 'red' })
  const w = readId('w', id)!
  const t = readId('t', await task(ann, id, 'early'))!
  expect((await labelWorkflow(world.first, ann, w, { stage: 'two', colour: null })).labels).toEqual({ stage: 'two' })
  expect(await workflows({ label: 'stage=two' })).toBe('relabelled')
  expect(await workflows({ label: 'stage=one' })).toBe('')
  expect(await tasks({ label: 'colour=red' })).toBe('early')
  await task(ann, id, 'late')
  expect(await tasks({ label: 'stage=two' })).toBe('late')
  expect((await labelTask(world.first, ann, t, { colour: 'blue' })).labels).toEqual({ stage: 'one', colour: 'blue' })
  expect(await tasks({ label: ['colour=blue', 'stage=one'] })).toBe('early')
  expect(await tasks({ label: 'colour=red' })).toBe('')
  await expect(labelTask(world.first, bob, t, { colour: 'green' })).rejects.toMatchObject({ code: 'forbidden' })
  await expect(labelWorkflow(world.first, bob, w, { a: 'b' })).rejects.toMatchObject({ code: 'forbidden' })
})

const found = async (q: string, who = ann) =>
  (await search(world.first, who, q)).items.map(({ kind, name, label }) =>
    [kind, name, label].filter(Boolean).join(' '),
  )

test('things are found by id, by the begin of a name, and by labels; places and people by a part of theirs', async () => {
  const first = await listWorkflows(world.first, ann, workflowQuery.parse({ text: 'Scan-1' }))
  const { id } = first.items[0]!
  expect(await found(id)).toEqual(['workflow Scan-1'])
  expect(await found('SCAN')).toEqual(['workflow Scan-1', 'workflow scan-2'])
  expect(await found('fit')).toEqual(['task fit', 'task Fit.again'])
  expect(await found('campaign=nor')).toEqual([
    ...['workflow scan-2 campaign=north', 'workflow Scan-1 campaign=north'],
    ...['task merge campaign=north', 'task Fit.again campaign=north', 'task fit campaign=north'],
  ])
  expect(await found('north')).toContain('task merge campaign=north')
  expect(await found('bo')).toEqual(['user bob'])
  expect(await found(queue)).toEqual([`queue ${queue}`])
  for (const q of ['campaign=', '=x', '%', '  ', 'w999999', 'e999999', 'p999999999999', 'j1\u{10ffff}'])
    expect(Array.isArray(await found(q)), q).toBe(true)
  expect(await found('an_')).toEqual([])
})

test('errors are found by a part of what they say, in any case, those that were met last first', async () => {
  const [stuck, shut] = [
    'trouble SlowControl: the Valve is stuck',
    'trouble SlowControl: no CRYOSTAT at 0x2f, the valve is shut',
  ]
  expect(await found('the VALVE is')).toEqual([shut, stuck])
  expect(await found('cryostat')).toEqual([shut])
  expect(await found('stu')).toEqual([stuck])
  expect(await found('st')).not.toContain(stuck)
  expect(await found('valve%stuck')).toEqual([])
  const { items } = await search(world.first, ann, 'is stuck')
  expect(items).toMatchObject([{ kind: 'trouble', id: expect.stringMatching(/^e\d+$/), owner: null }])
  expect(await found(items[0]!.id!)).toEqual([stuck])
  expect(await found('e999999999999999')).toEqual([])
})

test('errors are looked for in the newest of their kinds, and twenty are shown', async () => {
  const { db } = world.first
  const add = (text: string, n: number) =>
    db.run(sql`
    insert into trouble (experiment_id, cause, fingerprint, text, first_at, last_at, attempts, job_id)
    select 1, 'user', ${text} || i, ${text} || i, '2030-01-01', '2030-01-01', 1, 1 from generate_series(1, ${n}::int) i`)
  await add('quench ', 1)
  await add('magnet ', 4999)
  expect(await found('quench')).toEqual(['trouble quench 1'])
  expect(await found('magnet')).toHaveLength(20)
  await add('coil ', 1)
  expect(await found('quench')).toEqual([])
  await db.run(sql`delete from trouble where fingerprint ~ '^(quench|magnet|coil)'`)
})

test('another experiment finds nothing of it, not even by its id', async () => {
  const { db, clock } = world.first
  const made = await db.row<{ id: number }>(sql`
    with e as (insert into experiment (name) values ('south') returning id)
    insert into team (experiment_id, name) select id, 'users' from e returning experiment_id as id`)
  const personId = await ensurePerson(db, { experimentId: made!.id, name: 'cat', admin: true, now: clock() })
  await admitToken(world.first, 'token of cat', { personId, note: 'test' })
  const cat = await authenticate(world.first, 'Bearer token of cat')
  for (const q of ['w1', 't1', 'j1', 'e1', 'cryostat', 'scan', 'fit', 'campaign=north', 'north', 'bob'])
    expect(await found(q, cat), q).toEqual([])
  expect((await listTasks(world.first, cat, taskQuery.parse({ label: 'campaign=north' }))).items).toEqual([])
})

test('no more labels than fifty, and of two changes at once none is lost', async () => {
  const w = readId('w', await workflow(ann, 'many'))!
  const some = (n: number) => Object.fromEntries(Array.from({ length: n }, (_, i) => [`l${i}`, 'x']))
  await labelWorkflow(world.first, ann, w, some(49))
  await Promise.all([labelWorkflow(world.first, ann, w, { l1: 'y' }), labelWorkflow(world.first, ann, w, { l2: 'y' })])
  expect((await labelWorkflow(world.first, ann, w, {})).labels).toMatchObject({ l1: 'y', l2: 'y' })
  await expect(labelWorkflow(world.first, ann, w, { a: '1', b: '2' })).rejects.toMatchObject({
    code: 'fields_disagree',
  })
})

test('the rows that lists are read by are those of the labels', async () => {
  const rows = sql`
    select (select count(*) from label)::int as rows,
           ((select count(*) from workflow w, jsonb_each_text(w.labels) e where exists (
               select from label l where l.experiment_id = w.experiment_id and l.noun = 'workflow' and l.name = e.key and l.value = e.value and l.id = w.id))
          + (select count(*) from task t, jsonb_each_text(t.labels) e where exists (
               select from label l where l.experiment_id = t.experiment_id and l.noun = 'task' and l.name = e.key and l.value = e.value and l.id = t.id)))::int as labels,
           ((select count(*) from workflow w, jsonb_each_text(w.labels)) + (select count(*) from task t, jsonb_each_text(t.labels)))::int as all`
  const { rows: kept, labels, all } = (await world.first.db.row<Record<string, number>>(rows))!
  expect(kept).toBeGreaterThan(10)
  expect([labels, all]).toEqual([kept, kept])
})
