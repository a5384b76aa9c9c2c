import { expect, test } from 'vitest'
import { freshDatabase } from '../../test/support/database.ts'
import * as sweeps from './sweeps.ts'

test('who has looked at a sweep before it was asked anew neither ends it nor moves it on', async () => {
  const db = await freshDatabase()
  const now = new Date('2030-01-01T00:00:00Z')
  const ask = (until: number) =>
    sweeps.askSweeps(db, { workflowId: 1, taskIds: [1], what: 'orphans', until, priority: null, why: '', now })
  const seen = async () => (await sweeps.nextSweep(db, 1))!
  await ask(4)
  const before = await seen()
  await ask(6)
  expect(await sweeps.isStillThere(db, before)).toBe(false)
  await sweeps.moveOnSweep(db, before, 3, now)
  expect(await sweeps.dropSweep(db, before)).toBe(0)
  expect(await seen()).toMatchObject({ after: -1, until: 6 })
  await sweeps.moveOnSweep(db, await seen(), 3, now)
  expect(await seen()).toMatchObject({ after: 3, until: 6 })
  expect([await sweeps.isStillThere(db, await seen()), await sweeps.dropSweep(db, await seen())]).toEqual([true, 1])
})
