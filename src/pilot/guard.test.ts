import { expect, test } from 'vitest'
import type { Inside } from '../ports/runtime.ts'
import { imageGuard } from './guard.ts'

test.each([
  [{ CUDA_VISIBLE_DEVICES: '2,5' }, true],
  [{ CUDA_VISIBLE_DEVICES: '' }, false],
  [{}, false],
])('a payload in an image with %o reaches the GPUs: %s', (env, reaches) => {
  let asked: Inside | undefined
  const runtime = {
    ...{ name: 'told', needsAccount: false, refuses: () => null, fetch: () => null },
    start: (wanted: Inside) => {
      asked = wanted
      return { program: wanted.program, args: [], env: {} }
    },
  }
  const share = { read: [], write: [], hidden: [], ownEnv: {}, pids: '/pids', user: null }
  imageGuard({ runtime, image: 'x', channel: false }, share).launch('true', [], '/', env)
  expect(asked?.gpus).toBe(reaches)
})
