import { expect, test } from 'vitest'
import { scrub, scrubText } from './scrub.ts'

const token = 'cu_yQKcjTPntD5KGWoU3cAFi2syqPv46FKH79kI2HV3k4'

test.each([
  ['a bearer', `Authorization: Bearer ${token}`, 'Authorization: Bearer [secret]'],
  ['a token by itself', `the token ${token} is over`, 'the token [secret] is over'],
  ['a token of a job', 'cj.56.1.34.12.1.1.AbCdEfGhIjKlMnOp-_x', '[secret]'],
  [
    'the signature of an address',
    '/v1/content/ab?e=1&n=5&x=17&s=8GDPVDHKG-z',
    '/v1/content/ab?e=1&n=5&x=17&s=[secret]',
  ],
  ['a token in a link', `http://127.0.0.1:8780/#token=${token}`, 'http://127.0.0.1:8780/#token=[secret]'],
  ['a password in an address', 'postgresql://culm:PkKq-R_U@db/culm', 'postgresql://culm:[secret]@db/culm'],
])('%s is taken out, and the rest stays', (_, text, rest) => {
  expect(scrubText(text)).toBe(rest)
})

test.each(['/v1/tasks?limit=50&after=MQ', 'w12 t34 j56', 'http://localhost:8780/v1/me', 'class=big, keys=3'])(
  '%s is no secret',
  (text) => {
    expect(scrubText(text)).toBe(text)
  },
)

test('secrets go wherever they stand, and fields with the name of a secret whatever is in them', () => {
  const error = new Error(`GET /v1/content/ab?s=abc: ${token}`)
  const line = {
    requestId: 'r1',
    headers: { authorization: 'anything' },
    list: [{ url: `x?s=${token}` }],
    error,
    at: null,
  }
  const text = JSON.stringify(scrub(line))
  expect(text).not.toContain(token)
  expect(text).not.toContain('anything')
  expect(scrub(line)).toMatchObject({ requestId: 'r1', headers: { authorization: '[secret]' }, at: null })
})

test('what contains itself comes to an end', () => {
  const loop: Record<string, unknown> = {}
  loop.again = loop
  expect(JSON.stringify(scrub(loop))).toContain('…')
})
