import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { credentialIn } from './credentials.ts'

/** The vectors that hold the Python client to the same: python/tests/test_credentials.py. */
const { names, contents } = JSON.parse(readFileSync('fixtures/credentials.json', 'utf8')) as {
  names: [path: string, says: string | null][]
  contents: [parts: string[], says: string | null][]
}

test.each(names)('the name %s is one of %s', (path, says) => {
  expect(credentialIn(path, Buffer.from('')) ?? null).toBe(says)
})

test.each(contents.map(([parts, says]) => [parts.join('').slice(0, 40), parts, says] as const))(
  '%s… is known for what it is, wherever in a file of bytes it stands',
  (_, parts, says) => {
    const content = Buffer.from(parts.join(''))
    expect(credentialIn('notes.txt', content) ?? null).toBe(says)
    const inBytes = Buffer.concat([Buffer.alloc(1000, 0xff), Buffer.from('\n'), content, Buffer.from([0, 0xe9])])
    expect(credentialIn('data.bin', inBytes.subarray(7)) ?? null).toBe(says)
  },
)
