import { beforeAll, expect, test } from 'vitest'
import { readId } from '../../src/lib/ids.ts'
import type { Database, Db } from '../../src/store/db.ts'
import { finished, startWorld } from './engines.ts'
import { brokenInvariants } from './invariants.ts'

/** One job of each kind: `p` pending, `a` activated, `h` held, `w` waiting for its slot, `t` held by a timer, `d` deferred, `f` finished, with their task and workflow. */
let db: Database
let ids: Record<'p' | 'a' | 'h' | 'w' | 't' | 'd' | 'f' | 'task' | 'ended' | 'flow', number>

beforeAll(async () => {
  const world = await startWorld()
  db = world.first.db
  const place = await world.place()
  const [f] = await place.submit(1)
  const pilot = await place.pilot()
  await pilot.report((await pilot.take()).map((job) => finished(job)))
  const [t] = await place.submit(1, { attempts: { user: 2, site: 3, lost: 5 } })
  for (const { jobId, attempt } of await pilot.take())
    await pilot.report([{ jobId, attempt, what: 'failed', cause: 'user' }])
  const [d] = await place.submit(1)
  const until = new Date(world.now().getTime() + 60_000).toISOString()
  for (const { jobId, attempt } of await pilot.take()) await pilot.report([{ jobId, attempt, what: 'deferred', until }])
  const [h] = await place.submit(1)
  await pilot.take()
  const [w] = await place.submit(1)
  for (const { jobId, attempt } of await pilot.take())
    await pilot.report((['awaiting', 'woken'] as const).map((what) => ({ jobId, attempt, what })))
  const [a] = await place.submit(1)
  const [p] = await place.submit(1, { jobs: [{ args: { text: '{}' }, after: [`j${a!}`] }] })
  await world.look()
  const rows = await db.rows<{ id: number; task: number }>({
    text: 'select id, task_id as task from job',
    values: [],
    name: '',
  })
  const taskOf = (id: number) => rows.find((row) => row.id === id)!.task
  const flow = readId('w', place.workflowId)!
  ids = { p: p!, a: a!, h: h!, w: w!, t: t!, d: d!, f: f!, task: taskOf(a!), ended: taskOf(f!), flow }
  return () => world.close()
})

/** What is wrong once `spoil` was done, which is then undone. */
const brokenBy = async (spoil: string): Promise<string[]> => {
  const undo = new Error('undo')
  let broken: string[] = []
  const act = async (tx: Db) => {
    const text = spoil.replace(/\$(\w+)/g, (_, name: keyof typeof ids) => String(ids[name]))
    expect(await tx.run({ text, values: [], name: '' }), text).toBeGreaterThan(0)
    broken = await brokenInvariants(tx)
    throw undo
  }
  await db.begin(act).catch((error) => {
    if (error !== undo) throw error
  })
  return broken
}

test('nothing is wrong with a life of every kind', async () => {
  expect(await brokenInvariants(db)).toEqual([])
})

test.each([
  [
    'a pending job whose parents have ended',
    "update job set state = 'cancelled' where id = $a",
    /j\d+ is pending and nobody/,
  ],
  [
    'a pending job that counts wrong',
    'update job set unmet = 2 where id = $p',
    /says that it waits for 2, and waits for 1/,
  ],
  ['an activated job in no lane', 'delete from ready where job_id = $a', /is activated and nobody/],
  [
    'an activated job in another’s lane',
    'update ready set lane_id = lane_id + 1000 where job_id = $a',
    /is activated and nobody/,
  ],
  ['a job that waits for its slot nowhere', 'delete from ready where job_id = $w', /is activated and nobody/],
  ['a back-off without a timer', "delete from timer where kind = 'backOff' and id = $t", /is activated and nobody/],
  ['a pause without a pause', "update job set held_by = 'pause' where id = $t", /is activated and nobody/],
  ['a limit without a limit', "update job set held_by = 'limit' where id = $t", /is activated and nobody/],
  ['a sent job that nobody holds', 'delete from held where job_id = $h', /is sent and nobody/],
  ['a sent job of a pilot that is gone', "update pilot set state = 'gone'", /is held by p\d+, which is gone/],
  ['a starting job that nobody holds', "update job set state = 'starting' where id = $a", /is starting and nobody/],
  ['a running job that nobody holds', "update job set state = 'running' where id = $a", /is running and nobody/],
  ['an awaiting job that nobody holds', "update job set state = 'awaiting' where id = $a", /is awaiting and nobody/],
  ['outputs that nobody registers', "update job set state = 'holding' where id = $h", /is holding and nobody/],
  ['a callback without a timer', "delete from timer where kind = 'callback' and id = $d", /is holding and nobody/],
  ['a callback with a late timer', "update timer set at = at + interval '1 s' where id = $d", /is holding and nobody/],
  ['a callback of another attempt', 'update deferred set attempt = 7 where job_id = $d', /as attempt 7, of 1/],
  [
    'a callback of a job that is held',
    'insert into held (job_id, pilot_id, epoch, attempt, claim_seq, sent_at) select job_id, pilot_id, 1, attempt, 1, sent_at from deferred where job_id = $d',
    /as attempt 1, and is held/,
  ],
  ['a callback of an ended job', "update job set state = 'cancelled' where id = $d", /has a timer \(callback\)/],
  [
    'a deferred attempt that was forgotten',
    'delete from deferred where job_id = $d',
    /is at attempt 1, and 0 have ended/,
  ],
  ['outputs that nobody moves', "update job set state = 'transferring' where id = $h", /is transferring and nobody/],
  ['outputs that nobody merges', "update job set state = 'merging' where id = $h", /is merging and nobody/],
  ['a hold on another attempt', 'update held set attempt = 7 where job_id = $h', /as attempt 7 of 1/],
  [
    'a hold on a job that has ended',
    "update job set state = 'cancelled' where id = $h",
    /is held by p\d+, though it is cancelled/,
  ],
  ['a held job that may be claimed', "update job set state = 'activated' where id = $h", /is activated and nobody/],
  [
    'a job that waits for its slot and may be claimed as well',
    'insert into ready (lane_id, rank, job_id) select lane_id, 1, id from job where id = $w',
    /is held, and may be claimed as well/,
  ],
  ['an end without a result', 'delete from result where job_id = $f', /has no result/],
  ['a finished job with a cause', "update result set cause = 'user' where job_id = $f", /its cause is user/],
  ['a finished job whose children were not told', 'update job set released = false where id = $f', /released is false/],
  ['an attempt that was forgotten', 'delete from attempt where job_id = $t', /is at attempt 1, and 0 have ended/],
  [
    'two attempts that finished',
    'insert into attempt select job_id, 2, ending, pilot_id, sent_at, started_at, ended_at from attempt where job_id = $f',
    /is at attempt 1, and 2/,
  ],
  [
    'a task all of whose jobs have ended',
    "update task set state = 'running', ended_at = null where id = $ended",
    /t\d+ is running, and nobody/,
  ],
  [
    'an abort that nobody ends',
    "update task set state = 'aborting', ended_at = null where id = $ended",
    /t\d+ is aborting, and nobody/,
  ],
  [
    'a task that waits for more than there is',
    "update task set state = 'pending', unmet = 1 where id = $task",
    /waiting for 1 tasks/,
  ],
  [
    'a task that ended before its jobs',
    "update task set state = 'done', ended_at = created_at where id = $task",
    /a job of it is activated/,
  ],
  [
    'an experiment that counts other jobs',
    'update experiment_count set jobs = jobs + 1',
    /experiment \d+ counts \d+ jobs/,
  ],
  ['usage that was forgotten', "delete from usage_delta where ending = 'finished'", /usage counts 0 attempts/],
  ['usage that counts twice', 'insert into usage_delta select * from usage_delta', /usage counts \d+ jobs/],
  [
    'a driver that nobody watches',
    "update workflow set kind = 'function' where id = $flow",
    /w\d+ is running, and nobody/,
  ],
  [
    'a closed workflow that nobody ends',
    'with t as (update task set ended_at = created_at returning id) update workflow set closed = true where id = $flow',
    /w\d+ is running, and nobody/,
  ],
  [
    'a counter that is wrong',
    'update task_count set finished = finished + 1 where task_id = $ended',
    /counts 2 jobs finished, and has 1/,
  ],
  [
    'a sum that is wrong',
    'update workflow_count set failed = failed + 1 where workflow_id = $flow',
    /counts other jobs than its tasks/,
  ],
])('%s is noticed', async (_, spoil, line) => {
  expect(await brokenBy(spoil)).toEqual(expect.arrayContaining([expect.stringMatching(line)]))
})
