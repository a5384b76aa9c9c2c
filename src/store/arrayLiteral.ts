export type Element = number | string | boolean | Date | Buffer | null | undefined

/**
 * A one-dimensional array as PostgreSQL reads it. The driver would do it too; for a batch of a thousand rows of ten columns that is a tenth of the server's time
 * (measured), most of it for quoting numbers and for spelling out dates.
 */
export const arrayLiteral = (values: readonly Element[]): string => {
  let text = '{'
  for (let i = 0; i < values.length; i++) text += (i > 0 ? ',' : '') + elementText(values[i])
  return `${text}}`
}

const elementText = (value: Element): string => {
  if (value === null || value === undefined) return 'NULL'
  if (typeof value === 'string') return `"${/["\\]/.test(value) ? value.replace(/["\\]/g, '\\$&') : value}"`
  if (Buffer.isBuffer(value)) return `"\\\\x${value.toString('hex')}"`
  return value instanceof Date ? value.toISOString() : String(value)
}
