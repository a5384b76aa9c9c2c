/**
 * Kinds of state: each has a colour (the class of its name, in kinds.css) and a shape, so that nobody needs to tell colours apart; the word of the state stands beside it.
 * Paths are in a square of 16.
 */
export const kinds = {
  good: { states: ['done', 'finished', 'online'], path: 'M3 8.5l3.5 3.5L13 4.5' },
  part: { states: [], path: 'M8 2a6 6 0 1 0 0 12zM8 2a6 6 0 0 1 0 12' },
  bad: { states: ['failed', 'broken', 'exhausted', 'lost'], path: 'M4 4l8 8M12 4l-8 8' },
  off: {
    states: ['cancelled', 'aborted', 'expired', 'closed', 'returned', 'offline', 'gone'],
    path: 'M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2zM4 12l8-8',
  },
  busy: {
    states: ['running', 'sent', 'starting', 'scouting', 'scouted', 'finishing', 'aborting'],
    path: 'M5 3.5v9l7.5-4.5z',
    isFilled: true,
  },
  moving: { states: ['transferring', 'merging'], path: 'M8 13V4M4.5 7.5L8 4l3.5 3.5' },
  asleep: { states: ['awaiting', 'holding'], path: 'M4 3h8l-4 5zM4 13h8l-4-5z', isFilled: true },
  held: { states: ['paused', 'throttled', 'suspect', 'brokeroff', 'test'], path: 'M5.5 3.5v9M10.5 3.5v9' },
  next: { states: ['activated', 'ready'], path: 'M8 3a5 5 0 1 0 0 10A5 5 0 0 0 8 3z' },
  later: { states: ['pending', 'registered', 'defined'], path: 'M3.5 8h.01M8 8h.01M12.5 8h.01' },
} satisfies Record<string, { states: string[]; path: string; isFilled?: boolean }>

export type Kind = keyof typeof kinds

export const kindNames = Object.keys(kinds) as Kind[]

const kindByState = new Map(kindNames.flatMap((kind) => kinds[kind].states.map((state) => [state as string, kind])))

/** `finished` is all of a job, and part of a task or workflow. */
export const kindOf = (state: string, noun?: string): Kind =>
  state === 'finished' && noun !== 'job' ? 'part' : (kindByState.get(state) ?? 'later')
