import { afterEach, expect, test } from 'vitest'
import { encodeValue } from '../contract/values.ts'
import { Callback, callback } from './callback.ts'
import { type Runtime, setRuntime } from './runtime.ts'

afterEach(() => setRuntime({}))

const job = { jobId: 'j1', taskId: 't1', workflowId: 'w1', index: 0, attempt: 1, token: 'k' }

test.each<[string, Runtime]>([
  ['in a program', {}],
  ['in a driver', { run: { id: 'r', program: 'p' } }],
  ['while a module is imported', { job, serverUrl: 'http://127.0.0.1:1', importing: true }],
])('%s there is no job that could wait for a value', async (_, runtime) => {
  setRuntime(runtime)
  await expect(callback()).rejects.toMatchObject({ code: 'callback_misplaced' })
})

test('inside a value it would be waited for by nobody, and is refused', () => {
  const later = new Callback('http://here/v1/callbacks/j1?a=1', {
    jobId: 'j1',
    attempt: 1,
    expiresAt: '2030-01-01T00:00:00Z',
  })
  expect(later.expiresAt).toEqual(new Date('2030-01-01T00:00:00Z'))
  expect(() => encodeValue({ later })).toThrow('$.later is a culm.Callback')
  expect(encodeValue(later.url)).toBe('"http://here/v1/callbacks/j1?a=1"')
})
