import { expect, test } from 'vitest'
import type { Manifest } from '../../contract/blobs.ts'
import { checkSize } from './checks.ts'

const manifestOf = (sizes: Record<string, number>): Manifest => ({
  version: 1,
  language: 'node',
  files: Object.entries(sizes).map(([path, bytes]) => ({ path, hash: '0'.repeat(64), bytes })),
})

const refusal = (sizes: Record<string, number>): string => {
  try {
    checkSize(manifestOf(sizes))
  } catch (error) {
    expect(error).toMatchObject({ code: 'bundle_too_large' })
    return (error as Error).message
  }
  return ''
}

test('what is too large is refused with the largest files', () => {
  expect(refusal({ 'a.js': 1_000_000, 'data/b.js': 49_500_000, 'c.js': 10 })).toMatch(
    /3 files of 50\.5 MB, more than .* 50 MB; largest: data\/b\.js \(49\.5 MB\), a\.js \(1\.0 MB\), c\.js/,
  )
  expect(refusal({ 'a.js': 50_000_000 })).toBe('')
})

test('too many files are refused with the fullest folders', () => {
  const many = Object.fromEntries(Array.from({ length: 1999 }, (_, n) => [`deep/er/${n}.js`, 1]))
  expect(refusal({ ...many, 'a.js': 1, 'b.js': 1 })).toMatch(/fullest: deep\/er \(1999\), \. \(2\)$/)
  expect(refusal({ ...many, 'a.js': 1 })).toBe('')
})
