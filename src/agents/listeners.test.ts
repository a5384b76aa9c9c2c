import { expect, test } from 'vitest'
import { startWorld } from '../../test/support/engines.ts'
import { listeners } from './listeners.ts'

test('a process looks whether there are others to ring for', async () => {
  const world = await startWorld()
  let looks = 0
  const engine = { ...world.first, lookAround: async () => void looks++ }
  for (const { once } of listeners(engine)) await once()
  expect(looks).toBe(1)
  await world.close()
})
