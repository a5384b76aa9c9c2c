/** Where bytes lie: bundles, logs and large values. Content is addressed by its SHA-256 within a tenant's folder; what is stored never changes. */
export interface Storage {
  readonly name: string
  /**
   * Stores what `bytes` yields under `key`, whole or not at all. Fails with `blob_mismatch` when the SHA-256 is not `hash` or the length not `size`, with
   * `storage_full` when there is no room.
   */
  put(key: string, expected: { hash: string; bytes: number }, content: AsyncIterable<Uint8Array>): Promise<void>
  /** undefined when there is nothing under `key`. */
  get(key: string): Promise<{ bytes: number; content: AsyncIterable<Uint8Array> } | undefined>
  stat(key: string): Promise<{ bytes: number } | undefined>
  remove(key: string): Promise<void>
  /** Resolves when something could be written just now. */
  check(): Promise<void>
}
