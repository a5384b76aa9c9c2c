import { makeCell } from './cell.ts'

/** Whether the server answers. */
export const link = makeCell<'unknown' | 'live' | 'away'>('unknown')
