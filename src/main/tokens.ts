import { join } from 'node:path'

/** Files of the home that hold tokens, readable by their owner only. */
export const tokenFile = (home: string): string => join(home, 'token')
export const pilotTokenFile = (home: string, queue: string): string => join(home, 'run', `pilot-${queue}.token`)
