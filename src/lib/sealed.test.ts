import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { keyIdOf, seal, unseal } from './sealed.ts'

const key = { id: '0001.abcdef01', key: randomBytes(32) }

test('what was sealed is opened by its key under its binding, and bears the id of the key', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.string(), (plain, binding) => {
      const sealed = seal(key, binding, plain, randomBytes)
      expect(keyIdOf(sealed)).toBe(key.id)
      expect(unseal(key, binding, sealed)).toEqual(Buffer.from(plain))
    }),
  )
})

test('another binding, another key or one changed bit anywhere does not open it', () => {
  const sealed = seal(key, 'u1 db', Buffer.from('secret'), randomBytes)
  expect(() => unseal(key, 'u2 db', sealed)).toThrow()
  expect(() => unseal({ ...key, key: randomBytes(32) }, 'u1 db', sealed)).toThrow()
  expect(() => unseal({ ...key, id: '0002.abcdef01' }, 'u1 db', sealed)).toThrow(/0001\.abcdef01/)
  for (let at = 0; at < sealed.length * 8; at++) {
    const changed = Buffer.from(sealed)
    changed[at >> 3]! ^= 1 << (at & 7)
    expect(() => unseal(key, 'u1 db', changed)).toThrow()
  }
  expect(() => unseal(key, 'u1 db', sealed.subarray(0, -1))).toThrow()
})

test('the same text sealed twice shows nothing in common but its head', () => {
  const [a, b] = [1, 2].map(() => seal(key, 'u1 db', Buffer.from('secret'), randomBytes))
  const head = 2 + key.id.length
  expect(a!.subarray(0, head)).toEqual(b!.subarray(0, head))
  expect(a!.subarray(head).equals(b!.subarray(head))).toBe(false)
})
