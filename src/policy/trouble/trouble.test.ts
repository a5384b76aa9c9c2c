import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { attemptCauseNames } from '../../domain/job/causes.ts'
import { bounded, mostPerTask, others } from './bound.ts'
import { kindOf, maxFingerprint, maxText } from './fingerprint.ts'

const of = (message: string, type = 'Error') => kindOf({ cause: 'user', type, message }).fingerprint

test.each([
  ['no space left on /scratch/u12/run 7/a.root', 'no space left on /data/9.root', false],
  ['no space left on /scratch/u12/a.root', 'no space left on /data/b/9.root', true],
  ['it used 1,204.5 MB of 1000', 'it used 99 MB of 2000', true],
  ['silent since 2030-01-01T00:00:12.123Z', 'silent since 2031-12-01 10:00', true],
  ['j12 of t3 did not finish', 'j99 of t4 did not finish', true],
  ["KeyError: 'mass'", "KeyError: 'charge'", true],
  ['cannot open "a b.txt"', 'cannot open "c.txt"', true],
  ['segfault at 0x7ffe12 in node7', 'segfault at 0xdead in node123', true],
  [
    'blob 3f786850e387550fdab836ed7e6dc881de23001b is gone',
    'blob 89e6c98d92887913cadf06b2adb97f26cde4849b is gone',
    true,
  ],
  ['https://a.org/x?y=1 answers 503', 'https://b.org/z answers 500', true],
  ['C:\\data\\a.txt is locked', 'D:\\b.txt is locked', true],
  ['it is not mine, it isn’t his', 'it is not hers, it isn’t his', false],
  ["can't open, won't try", "can't close, won't try", false],
  ['not converged', 'not finite', false],
])('%s ~ %s: %s', (a, b, isSame) => {
  expect(of(a) === of(b)).toBe(isSame)
})

test('the class of the error and the cause tell kinds apart', () => {
  expect(of('no', 'TypeError')).not.toBe(of('no', 'ValueError'))
  expect(kindOf({ cause: 'lost', type: 'Lost', message: 'its pilot is silent' })).toEqual({
    cause: 'lost',
    fingerprint: 'Lost: its pilot is silent',
    text: 'Lost: its pilot is silent',
  })
})

const word = fc.constantFrom('no', 'minimum', 'found', 'in', 'region', 'disk', 'full')
const varying = fc.oneof(
  fc.integer().map(String),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
  fc.uuid(),
  fc.date({ noInvalidDate: true, min: new Date(0), max: new Date('2999-01-01') }).map((at) => at.toISOString()),
  fc.integer({ min: 0 }).map((n) => `0x${n.toString(16)}`),
  fc.integer({ min: 1 }).map((n) => `j${n}`),
)

describe('fingerprints', () => {
  test('do not depend on what varies, and do on words', () => {
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 8 }), varying, varying, fc.nat(7), (words, a, b, at) => {
        const message = (what: string) => (words as string[]).toSpliced(at, 0, what).join(' ')
        expect(of(message(a))).toBe(of(message(b)))
        expect(of(message(a))).not.toBe(of(`${message(a)} otherwise`))
      }),
    )
  })

  test('are short, and text that the database can hold, of any message', () => {
    const any = fc.oneof(fc.string({ unit: 'binary', maxLength: 1200 }), fc.string({ unit: 'grapheme' }))
    fc.assert(
      fc.property(fc.constantFrom(...attemptCauseNames), any, any, (cause, type, message) => {
        const { fingerprint, text } = kindOf({ cause, type, message })
        expect(fingerprint.length).toBeLessThanOrEqual(maxFingerprint)
        expect(text.length).toBeLessThanOrEqual(maxText)
        for (const told of [fingerprint, text]) {
          expect(told.isWellFormed()).toBe(true)
          expect(told).not.toMatch(/[\u0000-\u001f]/)
        }
      }),
      { numRuns: 30 },
    )
  })

  test('are found in a moment whatever the message', () => {
    const began = performance.now()
    for (const piece of ["'", '"a', '/', '1,', 'a:', '-', '::', '0x', '…'])
      for (let i = 0; i < 20; i++) of(piece.repeat(10_000))
    expect(performance.now() - began).toBeLessThan(1000)
  })
})

test('a task has so many kinds of failure; what comes then is one of the others, and what was known stays itself', () => {
  const row = (i: number) => ({ taskId: 1, cause: 'user' as const, fingerprint: `kind ${i}`, text: '' })
  const known = new Map<number, Set<string>>()
  expect(
    bounded(
      Array.from({ length: mostPerTask }, (_, i) => row(i)),
      known,
    ).map((r) => r.fingerprint),
  ).not.toContain(others.fingerprint)
  expect(bounded([row(99), row(3)], known).map((r) => r.fingerprint)).toEqual([others.fingerprint, 'kind 3'])
  expect(bounded([{ ...row(99), taskId: 2 }], known)[0]!.fingerprint).toBe('kind 99')
})
