import { createCipheriv, createDecipheriv } from 'node:crypto'

/** A key that seals: 32 bytes, and a name that stands in the open before what it sealed. */
export type SealingKey = { id: string; key: Buffer }

const cipher = 'aes-256-gcm'
const format = 1
const nonceBytes = 12
const tagBytes = 16
const keyBytes = 32

/**
 * Seals `plain` in an envelope: a fresh key encrypts it, and `key` encrypts that one, both by AES-256-GCM. `binding` says what it is and whose: opened under
 * another binding it is as broken as if a bit had flipped. Layout: format, length of the key's id, the id; nonce, key and tag; nonce, text and tag.
 */
export const seal = (
  key: SealingKey,
  binding: string,
  plain: Uint8Array,
  randomBytes: (n: number) => Buffer,
): Buffer => {
  const id = Buffer.from(key.id)
  const header = Buffer.concat([Buffer.from([format, id.length]), id])
  const bound = Buffer.concat([header, Buffer.from(binding)])
  const fresh = randomBytes(keyBytes)
  const locked = [
    encrypt(key.key, bound, fresh, randomBytes(nonceBytes)),
    encrypt(fresh, bound, plain, randomBytes(nonceBytes)),
  ]
  fresh.fill(0)
  return Buffer.concat([header, ...locked])
}

/** The id of the key that opens it. */
export const keyIdOf = (sealed: Buffer): string => {
  if (sealed[0] !== format) throw new Error(`a sealed text of format ${sealed[0]}, which this version does not know`)
  return sealed.toString('utf8', 2, 2 + sealed[1]!)
}

/** What was sealed. Throws when the key, the binding or a single bit of it is another. */
export const unseal = (key: SealingKey, binding: string, sealed: Buffer): Buffer => {
  if (keyIdOf(sealed) !== key.id) throw new Error(`sealed with the key ${keyIdOf(sealed)}, not ${key.id}`)
  const header = sealed.subarray(0, 2 + sealed[1]!)
  const bound = Buffer.concat([header, Buffer.from(binding)])
  const split = header.length + nonceBytes + keyBytes + tagBytes
  const fresh = decrypt(key.key, bound, sealed.subarray(header.length, split))
  const plain = decrypt(fresh, bound, sealed.subarray(split))
  fresh.fill(0)
  return plain
}

const encrypt = (key: Buffer, bound: Buffer, plain: Uint8Array, nonce: Buffer): Buffer => {
  const gcm = createCipheriv(cipher, key, nonce, { authTagLength: tagBytes }).setAAD(bound)
  return Buffer.concat([nonce, gcm.update(plain), gcm.final(), gcm.getAuthTag()])
}

const decrypt = (key: Buffer, bound: Buffer, box: Buffer): Buffer => {
  const gcm = createDecipheriv(cipher, key, box.subarray(0, nonceBytes), { authTagLength: tagBytes }).setAAD(bound)
  gcm.setAuthTag(box.subarray(box.length - tagBytes))
  return Buffer.concat([gcm.update(box.subarray(nonceBytes, box.length - tagBytes)), gcm.final()])
}
