import fc from 'fast-check'
import { expect, test } from 'vitest'
import { memberText } from './memberText.ts'

test.each([
  ['{"value":1.0}', '1.0'],
  ['{"value": 12345678901234567890 }', '12345678901234567890'],
  [' {"error": {"value": 1}, "value" : [ 1e400, {"a": "}"} ] } ', '[ 1e400, {"a": "}"} ]'],
  ['{"value":"a \\" and } and \\\\","x":2}', '"a \\" and } and \\\\"'],
  ['{"\\u0076alue":null}', 'null'],
  ['{"value":1,"value":2}', '2'],
  ['{"a":{"value":1},"b":["value",2]}', undefined],
  ['{}', undefined],
])('of %s it gives %s', (json, text) => {
  expect(memberText(json, 'value')).toBe(text)
})

test('what it gives is what JSON.parse finds there, however the text is written', () => {
  const written = fc.record({
    object: fc.dictionary(fc.string(), fc.jsonValue()),
    indent: fc.constantFrom(0, 1, '\t', '\n '),
  })
  fc.assert(
    fc.property(written, fc.string(), ({ object, indent }, other) => {
      const json = JSON.stringify(object, null, indent)
      const parsed = JSON.parse(json) as Record<string, unknown>
      for (const [name, value] of Object.entries(parsed)) expect(JSON.parse(memberText(json, name)!)).toEqual(value)
      if (!Object.hasOwn(parsed, other)) expect(memberText(json, other)).toBeUndefined()
    }),
  )
})

test('a megabyte of escapes is read as well', () => {
  const long = JSON.stringify('"\\'.repeat(250_000))
  expect(memberText(`{"value":${long}}`, 'value')).toBe(long)
})
