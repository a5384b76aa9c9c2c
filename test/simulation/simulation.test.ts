import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Db, sql } from '../../src/store/db.ts'
import { ownTemplate, type Template } from './postgres.ts'
import { simulate } from './simulate.ts'

let template: Template
beforeAll(async () => {
  template = await ownTemplate()
})
afterAll(() => template.close())

test('the same seed gives the same history, byte for byte, and another seed another', {
  timeout: 120_000,
}, async () => {
  const digests: string[] = []
  for (const seed of [3, 3, 4]) digests.push((await simulate(template, { seed, jobs: 60 })).digest)
  expect(digests[1]).toBe(digests[0])
  expect(digests[2]).not.toBe(digests[0])
})

/** One wrong thing each, and what the oracle says of it. */
const sabotages: [what: string, how: (tx: Db) => Promise<unknown>, said: RegExp][] = [
  [
    'a result of another job',
    (tx) =>
      tx.run(
        sql`update result set value = '{"y":0}' where job_id = (select min(id) from job where state = 'finished')`,
      ),
    /has the value \{"y":0\}/,
  ],
  ['a job that vanished', (tx) => tx.run(sql`delete from job where id = (select max(id) from job)`), /is not there/],
  [
    'a task that nobody submitted',
    (tx) => tx.run(sql`update task set name = 'stranger' where id = (select max(id) from task)`),
    /comes from nowhere/,
  ],
  [
    'an attempt registered twice',
    (tx) =>
      tx.run(
        sql`insert into attempt select job_id, attempt + 1, ending, pilot_id, sent_at, started_at, ended_at from attempt where ending = 'finished' limit 1`,
      ),
    /was registered twice/,
  ],
  [
    'a job taken from a pilot that lives',
    (tx) =>
      tx.run(sql`
        update attempt set ending = 'lost', cause = 'lost', ended_at = '2030-01-01 00:00:50+00'
        where (job_id, attempt) = (select job_id, attempt from attempt where ending = 'finished' order by 1 limit 1)`),
    /was taken from p\d+, which was living|its last attempt is lost/,
  ],
  [
    'a task with the wrong end',
    (tx) => tx.run(sql`update task set state = 'failed' where id = (select min(id) from task where state = 'done')`),
    /is failed, and ought to be done/,
  ],
  [
    'a counter that is off by one',
    (tx) => tx.run(sql`update workflow_count set finished = finished + 1 where workflow_id = 1`),
    /w1 counts/,
  ],
  [
    'a history without its beginning',
    (tx) =>
      tx.run(
        sql`delete from history where seq = (select min(seq) from history where noun = 'job' and to_state = 'sent')`,
      ),
    /has first moved from sent to \w+ \(\w+\), and that is no beginning/,
  ],
  [
    'a hole in the history',
    (tx) =>
      tx.run(sql`
        delete from history where seq = (
          select h.seq from history h join job j on j.id = h.id
          where h.noun = 'job' and h.from_state = 'sent' and h.to_state = 'activated' and j.state = 'finished' order by 1 limit 1)`),
    /was sent, and then moved from activated to sent/,
  ],
  [
    'a history without its end',
    (tx) =>
      tx.run(
        sql`delete from history where seq = (select max(seq) from history where noun = 'job' and to_state = 'finished')`,
      ),
    /is finished, and its history ends with \w+/,
  ],
  [
    'a job that ended and is held',
    (tx) =>
      tx.run(sql`
        insert into held (job_id, pilot_id, epoch, attempt, claim_seq, sent_at)
        select id, 1, 1, attempt, 1, '2030-01-01' from job where state = 'finished' limit 1`),
    /has ended, and is held/,
  ],
]

test('the oracle has nothing to say of a seed that went well, and sees each thing that is made wrong', {
  timeout: 120_000,
}, async () => {
  const said = new Map<string, string[]>()
  const { broken } = await simulate(template, {
    seed: 10,
    jobs: 60,
    atEnd: async (db, judged) => {
      for (const [what, how] of sabotages)
        await db
          .begin(async (tx) => {
            await how(tx)
            said.set(what, await judged(tx))
            throw new Error('undone')
          })
          .catch((error) => expect(error).toMatchObject({ message: 'undone' }))
    },
  })
  expect(broken).toEqual([])
  for (const [what, , words] of sabotages) expect(said.get(what)?.join('\n'), what).toMatch(words)
})
