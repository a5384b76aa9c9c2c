import type { Value } from '../contract/base.ts'

/** A value as it goes over the wire, from the columns that keep one; null when there is none. */
export const sentValue = (text: string | null, blob: string | null, bytes: number | null): Value | null => {
  if (text !== null) return { text }
  return blob !== null ? { blob, bytes: bytes ?? 0 } : null
}
