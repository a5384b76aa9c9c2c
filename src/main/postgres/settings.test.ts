import { describe, expect, test } from 'vitest'
import { quoteListItem, quoteSetting, settingsFor } from './settings.ts'

const machine = { memoryMb: 16_384, freeDiskMb: 100_000, logDir: '/home/ada/.culm/logs', durable: true }

describe('memory and log are sized by the machine, within bounds', () => {
  test.each([
    [{ memoryMb: 64 }, '32MB'],
    [{ memoryMb: 4_096 }, '512MB'],
    [{ memoryMb: 512_000 }, '1024MB'],
    [{ memoryMb: 512_000, durable: false }, '128MB'],
  ])('with %o shared_buffers is %s', (over, expected) => {
    expect(settingsFor({ ...machine, ...over }).shared_buffers).toBe(expected)
  })

  test.each([
    [100, '128MB'],
    [8_000, '1000MB'],
    [1_000_000, '8192MB'],
  ])('with %i MB free max_wal_size is %s', (freeDiskMb, expected) => {
    expect(settingsFor({ ...machine, freeDiskMb }).max_wal_size).toBe(expected)
  })
})

test('what is acknowledged is synced, and without durability still given to the kernel', () => {
  const promises = ['fsync', 'synchronous_commit', 'full_page_writes'] as const
  expect(promises.map((name) => settingsFor(machine)[name])).toEqual(['on', 'on', 'on'])
  expect(promises.map((name) => settingsFor({ ...machine, durable: false })[name])).toEqual(['off', 'on', 'off'])
})

test('paths with quotes and backslashes stay what they are', () => {
  expect(quoteSetting(`/home/o'hara\\x`)).toBe(`'/home/o''hara\\\\x'`)
  expect(quoteListItem('/tmp/a, "b"')).toBe('"/tmp/a, ""b"""')
})
