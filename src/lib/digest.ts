import { createHash } from 'node:crypto'

/** SHA-256 in lower-case hex: the name of everything that is addressed by its content. */
export const sha256 = (data: string | Uint8Array): string => createHash('sha256').update(data).digest('hex')
