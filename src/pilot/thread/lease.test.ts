import { expect, test } from 'vitest'
import type { Client } from '../../contract/client.ts'
import { fault } from '../../contract/faults.ts'
import { sha256 } from '../../lib/digest.ts'
import { digestOf, Lease } from './lease.ts'
import type { FromSecond } from './messages.ts'

type Body = { epoch: number; held: string; list?: unknown[]; nextClaim?: number }

/** A lease renewed every 5 ms, by way of `answer`; `isBusy`: the main thread does not say what it holds. */
const leaseOf = (answer: (body: Body) => unknown, { isBusy = false, held = [{ jobId: 'j2', attempt: 1 }] } = {}) => {
  const said: FromSecond[] = []
  const call = async (_name: string, { body }: { body: Body }) => answer(body)
  const tell = (message: FromSecond): void => {
    if (message.t !== 'whatIsHeld') said.push(message)
    else if (!isBusy) lease.held(held, 7)
  }
  const lease = new Lease({ client: { call } as unknown as Client, tell, patienceMs: 10, retryMs: 10 })
  lease.serve({ t: 'serve', pilotId: 'p1', epoch: 1, renewSeconds: 0.005 })
  return said
}

const until = async (holds: () => boolean): Promise<void> => {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 2))
}

test('the digest is that of the contract', () => {
  expect(
    digestOf([
      { jobId: 'j5', attempt: 1 },
      { jobId: 'j12', attempt: 3 },
    ]),
  ).toBe(sha256('j12:3 j5:1'))
  expect(digestOf([])).toBe(sha256(''))
})

test('a mismatch is settled by the list, and its word is passed on', async () => {
  const drop = [{ jobId: 'j2', attempt: 1 }]
  const bodies: Body[] = []
  const said = leaseOf((body) => {
    bodies.push(body)
    return body.list ? { matches: true, cancel: [], drop } : { matches: false, cancel: [], drop: [] }
  })
  await until(() => said.length > 0)
  expect(bodies[1]).toMatchObject({ list: [{ jobId: 'j2', attempt: 1 }], nextClaim: 7 })
  expect(said[0]).toEqual({ t: 'renewed', cancel: [], drop })
})

test('a busy main thread keeps the lease alive, and gives nothing back by a list that may be old', async () => {
  const bodies: Body[] = []
  leaseOf(
    (body) => {
      bodies.push(body)
      return { matches: false, cancel: [], drop: [] }
    },
    { isBusy: true },
  )
  await until(() => bodies.length >= 2)
  expect(bodies.every((body) => body.list === undefined)).toBe(true)
})

test('while the server is away it is asked again and again, and a refusal is passed on', async () => {
  let asked = 0
  const said = leaseOf(() => {
    if (++asked === 1) throw fault('server_away')
    throw fault('pilot_replaced', 'epoch 2 is newer')
  })
  await until(() => said.length > 0)
  expect(said[0]).toEqual({ t: 'refused', code: 'pilot_replaced', message: 'epoch 2 is newer', epoch: 1 })
  expect(asked).toBe(2)
})
