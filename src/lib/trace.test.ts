import fc from 'fast-check'
import { expect, test } from 'vitest'
import { noTracer, readTraceparent, showTraceparent } from './trace.ts'

const hex = (length: number) =>
  fc
    .string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: length, maxLength: length })
    .filter((s) => /[1-9a-f]/.test(s))

test('what is shown is read again', () => {
  fc.assert(
    fc.property(hex(32), hex(16), fc.nat(255), (traceId, spanId, flags) => {
      expect(readTraceparent(showTraceparent({ traceId, spanId, flags }))).toEqual({ traceId, spanId, flags })
    }),
  )
})

test.each([
  ['nothing', undefined],
  ['words', 'nonsense'],
  ['another version', '01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'],
  ['no trace', `00-${'0'.repeat(32)}-b7ad6b7169203331-01`],
  ['no span', `00-0af7651916cd43dd8448eb211c80319c-${'0'.repeat(16)}-01`],
  ['capitals', '00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01'],
  ['more behind it', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x'],
  ['several headers', ['00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01']],
])('%s is no trace', (_, text) => {
  expect(readTraceparent(text)).toBeUndefined()
})

test('where nobody collects, the trace of whoever asked is passed on', () => {
  const parent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
  expect(noTracer.start('any', { parent }).traceparent).toBe(parent)
  expect(noTracer.start('any').traceparent).toBeNull()
})
