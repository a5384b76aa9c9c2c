import { readHorizon } from '../store/history.ts'
import type { Engine } from './engine.ts'

/** Throws `database_away` when the database does not answer. */
export const checkReady = async (engine: Engine): Promise<void> => {
  await readHorizon(engine.db)
}
