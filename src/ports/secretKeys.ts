import type { SealingKey } from '../lib/sealed.ts'

/** The keys that seal people's secrets. They are never in the database: who has only that has no secret. */
export interface SecretKeys {
  /** Newest first; the newest seals, all open. */
  all(): Promise<readonly SealingKey[]>
  /** Makes a newer one, and has it safely on disk before it returns. Fails with `secret_keys_fixed` where keys are given from outside. */
  add(): Promise<SealingKey>
}
