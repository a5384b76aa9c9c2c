import { readFile } from 'node:fs/promises'
import { sha256 } from '../../lib/digest.ts'

/** Undefined for what cannot be read: then nothing can be said of whether it was changed. */
export const hashOfFile = (file: string): Promise<string | undefined> => readFile(file).then(sha256, () => undefined)
