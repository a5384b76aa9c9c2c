/** What a plug-in implements: `import type { Storage } from 'culm/plugin'`. */
export type { CommandLine, Inside, Runtime, Started } from './runtime.ts'
export type { SecretKeys } from './secretKeys.ts'
export type { Storage } from './storage.ts'
