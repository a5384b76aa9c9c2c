import type { Table } from '../../lib/machine.ts'

export type PilotState = 'online' | 'suspect' | 'gone'
export type PilotTrigger = 'heard' | 'fellSilent' | 'gaveUpOn' | 'left'

export const pilotTable: Table<PilotState, PilotTrigger> = {
  online: { heard: 'online', fellSilent: 'suspect', gaveUpOn: 'gone', left: 'gone' },
  suspect: { heard: 'online', gaveUpOn: 'gone', left: 'gone' },
  gone: { heard: 'online' },
}

export const pilotStates = Object.keys(pilotTable) as PilotState[]
export const pilotSentences: Record<PilotState, string> = {
  online: 'heard within its lease',
  suspect: 'silent for longer than its lease; its jobs are still its own',
  gone: 'left, or silent for so long that its jobs were given back; it may come back',
}

/** Set by an operator. `test` runs only jobs that name the queue. */
export type QueueState = 'online' | 'test' | 'brokeroff' | 'offline'
export const queueStates: QueueState[] = ['online', 'test', 'brokeroff', 'offline']
