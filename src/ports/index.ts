/** What a plug-in implements: `import type { Storage } from 'culm/plugin'`. */
export type { Storage } from './storage.ts'
