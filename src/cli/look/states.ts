import type { AttemptView, Job } from '../../contract/jobs.ts'
import type { Pilot, Queue } from '../../contract/pilots.ts'
import type { Task } from '../../contract/tasks.ts'
import type { Workflow } from '../../contract/workflows.ts'
import type { Style } from './style.ts'

/** What a state says to people at a glance. Each tone has a colour and a symbol, so that the colour is not the only sign. */
type Tone = 'good' | 'part' | 'bad' | 'busy' | 'waiting' | 'stopped'

const symbols: Record<Tone, { unicode: string; ascii: string; color: 'green' | 'yellow' | 'red' | 'cyan' | 'dim' }> = {
  good: { unicode: '✓', ascii: '+', color: 'green' },
  part: { unicode: '◐', ascii: '%', color: 'yellow' },
  bad: { unicode: '✗', ascii: 'x', color: 'red' },
  busy: { unicode: '●', ascii: '*', color: 'cyan' },
  waiting: { unicode: '○', ascii: '.', color: 'dim' },
  stopped: { unicode: '⊘', ascii: '-', color: 'yellow' },
}

export type States = {
  workflow: Workflow['state']
  task: Task['state']
  job: Job['state']
  attempt: NonNullable<AttemptView['end']>
  pilot: Pilot['state']
  queue: Queue['state']
}

const tones: { [N in keyof States]: Record<States[N], Tone> } = {
  workflow: {
    registered: 'waiting',
    running: 'busy',
    paused: 'stopped',
    done: 'good',
    finished: 'part',
    failed: 'bad',
    cancelled: 'stopped',
    expired: 'bad',
  },
  task: {
    registered: 'waiting',
    defined: 'waiting',
    ready: 'waiting',
    pending: 'waiting',
    scouting: 'busy',
    scouted: 'busy',
    running: 'busy',
    paused: 'stopped',
    throttled: 'stopped',
    finishing: 'busy',
    aborting: 'stopped',
    done: 'good',
    finished: 'part',
    failed: 'bad',
    exhausted: 'bad',
    broken: 'bad',
    aborted: 'stopped',
  },
  job: {
    pending: 'waiting',
    activated: 'waiting',
    sent: 'busy',
    starting: 'busy',
    running: 'busy',
    awaiting: 'busy',
    holding: 'waiting',
    transferring: 'busy',
    merging: 'busy',
    finished: 'good',
    failed: 'bad',
    cancelled: 'stopped',
    closed: 'stopped',
  },
  attempt: { finished: 'good', failed: 'bad', lost: 'bad', cancelled: 'stopped', returned: 'stopped' },
  pilot: { online: 'good', suspect: 'part', gone: 'stopped' },
  queue: { online: 'good', test: 'part', brokeroff: 'part', offline: 'stopped' },
}

/** Every state of a noun. */
export const statesOf = (noun: keyof States): string[] => Object.keys(tones[noun])

/** A state as people see it, with its symbol; `text` says it with more words. */
export const stateCell = <N extends keyof States>(
  noun: N,
  state: States[N],
  style: Style,
  text: string = state,
): { text: string; paint: (text: string) => string } => {
  const { unicode, ascii, color } = symbols[tones[noun][state]]
  return { text: `${style.unicode ? unicode : ascii} ${text}`, paint: style.colors[color] }
}

export const stateText = <N extends keyof States>(
  noun: N,
  state: States[N],
  style: Style,
  text: string = state,
): string => {
  const cell = stateCell(noun, state, style, text)
  return cell.paint(cell.text)
}

type Counts = Workflow['jobs']

/** A state never stands without its numbers: `finished 18/20, 2 failed`. */
export const withNumbers = (
  state: string,
  { total, finished = 0, failed = 0, cancelled = 0, closed = 0 }: Counts,
): string => {
  if (total === 0) return state
  const rest = [failed > 0 ? `${failed} failed` : '', cancelled + closed > 0 ? `${cancelled + closed} cancelled` : '']
  return [`${state} ${finished}/${total}`, ...rest.filter((text) => text !== '')].join(', ')
}
