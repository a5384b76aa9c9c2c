import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { hiddenIn, Redaction, redact } from './redaction.ts'

const secret = (name: string, text: string) => ({ name, env: 'X', value: Buffer.from(text).toString('base64') })

describe('redaction', () => {
  const patterns = hiddenIn([secret('db', 'tr0ub4dor&3 "é"')])

  test.each([
    ['as it is', 'tr0ub4dor&3 "é"'],
    ['as JSON', JSON.stringify('tr0ub4dor&3 "é"').slice(1, -1)],
    ['as JSON in ASCII, as Python writes it', 'tr0ub4dor&3 \\"\\u00e9\\"'],
    ['in a URL', encodeURIComponent('tr0ub4dor&3 "é"')],
  ])('a secret %s is replaced by its name', (_, text) => {
    expect(redact(`<${text}>`, patterns)).toBe('<‹db›>')
  })

  test('in base64 nothing of it is left but what its neighbours share, wherever it begins', () => {
    for (const before of ['', 'u', 'us', 'user:']) {
      const written = Buffer.from(`${before}tr0ub4dor&3 "é"!`).toString('base64')
      const shown = redact(written, patterns)
      expect(shown).toContain('‹db›')
      expect(shown.replace('‹db›', '').length).toBeLessThan(written.length - 18)
    }
  })

  test('each line of a key of several lines is replaced, and short texts are left alone', () => {
    const key = '-----BEGIN-----\nMIIEvQIBADANBg\nkqhkiG9w0BAQEF\n-----END-----\n'
    const [own, short] = [hiddenIn([secret('key', key)]), hiddenIn([secret('pin', 'abc')])]
    expect(redact('  MIIEvQIBADANBg\n  kqhkiG9w0BAQEF', own)).toBe('  ‹key›\n  ‹key›')
    expect(redact(key, own)).toBe('‹key›')
    expect(redact('abc', short)).toBe('abc')
  })

  test('bytes that are no text are replaced in base64 alone', () => {
    const value = Buffer.from([0xff, 0xfe, 0, 1, 2, 3, 250, 251]).toString('base64')
    expect(redact(`k=${value}`, hiddenIn([{ name: 'keytab', file: 'k', value }]))).toMatch(/^k=‹keytab›.{0,3}$/)
  })

  test('however a text is cut into pieces, it comes out as if it were whole', () => {
    const two = hiddenIn([secret('a', 'abababc'), secret('b', 'bcabc-xyz')])
    const part = fc.constantFrom('ab', 'a', 'abababc', 'bcabc-xyz', 'bcabc', 'c', '-xy', 'z', ' ', 'ü')
    fc.assert(
      fc.property(
        fc.array(part, { maxLength: 30 }),
        fc.infiniteStream(fc.integer({ min: 1, max: 5 })),
        (parts, cuts) => {
          const text = parts.join('')
          const redaction = new Redaction(two!)
          let got = ''
          for (let at = 0; at < text.length; ) {
            const n = cuts.next().value!
            got += redaction.write(text.slice(at, at + n))
            at += n
          }
          got += redaction.end()
          expect(got).toBe(redact(text, two))
        },
      ),
    )
  })

  test('what is no secret is not held back', () => {
    const redaction = new Redaction(patterns!)
    expect(redaction.write('a line\n')).toBe('a line\n')
    expect(redaction.write('so far tr0ub')).toBe('so far ')
    expect(redaction.write('les\n')).toBe('tr0ubles\n')
    expect(redaction.end()).toBe('')
  })
})
