/** The journal of a driver: what it asked for, under which key, and whether that has ended. */
export type CallState = 'asked' | 'done' | 'failed' | 'cancelled'
export const callStates: CallState[] = ['asked', 'done', 'failed', 'cancelled']
