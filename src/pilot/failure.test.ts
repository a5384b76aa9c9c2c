import { expect, test } from 'vitest'
import { fault } from '../contract/faults.ts'
import { remoteError } from '../contract/jobs.ts'
import { Failure, failedBy, remoteErrorOf } from './failure.ts'

test('whatever an error says, its report can be stored', () => {
  const told = remoteErrorOf({ type: '', message: `a\0b\ud800${'x'.repeat(20_000)}end`, stack: 'y'.repeat(200_000) })
  expect(remoteError.parse(told)).toEqual(told)
  expect(told.message).toMatch(/^a\u2400b\ufffd.*end$/s)
  expect(told.message.isWellFormed()).toBe(true)
})

test('blame is as named, or falls on the storage for what the server refused, or on the place', () => {
  expect(failedBy(new Failure('bundle', 'BundleInvalid', 'no'))).toMatchObject({
    cause: 'bundle',
    error: { type: 'BundleInvalid' },
  })
  expect(failedBy(fault('blob_unknown'))).toMatchObject({ cause: 'storage', error: { type: 'blob_unknown' } })
  expect(failedBy(Object.assign(new Error('no space'), { code: 'ENOSPC' }))).toMatchObject({
    cause: 'site',
    error: { type: 'ENOSPC' },
  })
})
