import { expect, test } from 'vitest'
import { type OpenClaim, OpenClaims } from './openClaims.ts'

const claim = (claimSeq: number, more: Partial<OpenClaim> = {}): OpenClaim => ({
  ...{ pilotId: 1, epoch: 1, claimSeq, queueId: 1 },
  room: { cores: 7, memoryMb: null, gpus: 0, jobs: 7 },
  ...more,
})
const row = { jobId: 5, taskId: 1, index: 0, attempt: 1, args: null, blob: null, bytes: null }

test('a claim that came twice waits once, so that it is not handed twice what its pilot has room for', async () => {
  const claims = new OpenClaims()
  const [first, again] = [claim(3), claim(3)]
  const open = claims.open(first)
  expect(await claims.open(again).close()).toEqual([])
  expect(claims.inOrder).toEqual([first])
  expect(claims.inOrder[0]).toBe(first)
  expect(await open.close()).toEqual([])
})

test('while it is not yet known what a claim gets, its other delivery gets nothing', async () => {
  const claims = new OpenClaims()
  const first = claim(3)
  const open = claims.open(first)
  let give = (_: Map<OpenClaim, (typeof row)[]>) => {}
  claims.hand(
    [first],
    new Promise((resolve) => {
      give = resolve
    }),
  )
  claims.open(claim(3))
  expect(claims.inOrder).toEqual([])
  give(new Map([[first, [row]]]))
  await open.taken
  expect(await open.close()).toEqual([row])
})

test('a newer claim of a pilot takes the place of one that it has given up, and not the other way round', async () => {
  const claims = new OpenClaims()
  const [old, newer, started] = [claim(3), claim(4), claim(1, { epoch: 2 })]
  for (const one of [old, newer, old]) claims.open(one)
  expect(claims.inOrder).toEqual([newer])
  claims.open(started)
  expect(claims.inOrder).toEqual([started])
})

test('claims of other pilots wait in the order in which they came, and one that was closed may come again', async () => {
  const claims = new OpenClaims()
  const [one, other] = [claim(3), claim(3, { pilotId: 2 })]
  const { close } = claims.open(one)
  claims.open(other)
  expect(claims.inOrder).toEqual([one, other])
  await close()
  claims.open(one)
  expect(claims.inOrder).toEqual([other, one])
})
