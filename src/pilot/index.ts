/** What `culm/pilot` exports. */
export { type PilotMetrics, pilotMetrics } from './metrics.ts'
export { type PilotOptions, runPilot } from './pilot.ts'
export { pilotName } from './pilotName.ts'
export type { Isolation } from './quarters.ts'
