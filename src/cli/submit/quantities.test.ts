import { expect, test } from 'vitest'
import { parseAttempts, parseLabel, parseMemoryMb, parseSeconds, parseWhole } from './quantities.ts'

test('memory is in MB of 10^6 bytes, whatever unit it is written in', () => {
  const cases: [string, number][] = [
    ['2GB', 2000],
    ['512', 512],
    ['512mb', 512],
    ['1.1 GB', 1100],
    ['1GiB', 1074],
    ['4G', 4000],
    ['1.5TB', 1_500_000],
    ['900kB', 1],
  ]
  for (const [text, mb] of cases) expect(parseMemoryMb(text), text).toBe(mb)
  for (const text of ['', 'much', '2GBs', '-1GB', '0', '1e3MB', '2PB'])
    expect(() => parseMemoryMb(text), text).toThrow()
})

test('a time is in seconds, whatever units it is written in', () => {
  const cases: [string, number][] = [
    ['90s', 90],
    ['90', 90],
    ['10m', 600],
    ['2h', 7200],
    ['1h30m', 5400],
    ['1 d 12 h', 129_600],
    ['0.5h', 1800],
    ['1.5S', 2],
  ]
  for (const [text, seconds] of cases) expect(parseSeconds(text), text).toBe(seconds)
  for (const text of ['', 'soon', '10x', 'm', '-5s', '0', '1h30']) expect(() => parseSeconds(text), text).toThrow()
})

test('attempts are a number, or numbers by cause', () => {
  expect(parseAttempts('3')).toEqual({ user: 3 })
  expect(parseAttempts('user=2,lost=9')).toEqual({ user: 2, lost: 9 })
  expect(parseAttempts('memory=3,walltime=2,runner=4')).toEqual({ memory: 3, walltime: 2, runner: 4 })
  for (const text of ['0', '', 'x', 'user', 'user=0', 'parent=2', 'user=2;site=3'])
    expect(() => parseAttempts(text), text).toThrow()
})

test('whole numbers and labels are what they say', () => {
  expect(parseWhole(0)('0')).toBe(0)
  for (const text of ['0', '-1', '1.5', 'x', '1e3', '']) expect(() => parseWhole(1)(text), text).toThrow()
  expect(parseLabel('b=2=3', { a: '1' })).toEqual({ a: '1', b: '2=3' })
  for (const text of ['x', '=1']) expect(() => parseLabel(text), text).toThrow()
})
