/** What `culm/pilot` exports. */
export { type PilotOptions, runPilot } from './pilot.ts'
export { pilotName } from './pilotName.ts'
