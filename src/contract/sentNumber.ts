/** A number as JSON carries it: those that JSON lacks go by their names. */
export type SentNumber = number | 'NaN' | 'Infinity' | '-Infinity'

export const sentNumber = (number: number): SentNumber =>
  Number.isFinite(number) ? number : (String(number) as SentNumber)
