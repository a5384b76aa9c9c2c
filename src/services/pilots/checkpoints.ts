import { type CheckpointManifest, checkpointText } from '../../contract/blobs.ts'
import { fault } from '../../contract/faults.ts'
import { showId } from '../../lib/ids.ts'
import { insertCheckpoint } from '../../store/checkpoints.ts'
import type { Principal } from '../access/authenticate.ts'
import { checkPaths, missingOf, storeText } from '../blobs.ts'
import type { Engine } from '../engine/engine.ts'

/**
 * Keeps files of a job's working folder for its next attempt, once all of them are here; until then the answer says what is wanted, and the job has what it had. Of
 * an attempt that is over nothing is kept.
 */
export const keepCheckpoint = async (
  engine: Engine,
  principal: Principal,
  jobId: number,
  manifest: CheckpointManifest,
) => {
  if (principal.kind !== 'job' || principal.jobId !== jobId) throw fault('job_unknown')
  const { experimentId, attempt } = principal
  checkPaths(manifest.files, 'checkpoint_invalid')
  checkSizes(engine, manifest)
  const missing = await missingOf(engine, experimentId, { jobId, attempt }, manifest.files, 'checkpoint_invalid')
  if (missing.length > 0) return { kept: false, missing }
  const blob = await storeText(engine, experimentId, checkpointText(manifest))
  const bytes = manifest.files.reduce((sum, file) => sum + file.bytes, 0)
  if (!(await insertCheckpoint(engine.db, { jobId, attempt, blob, bytes, at: engine.clock() })))
    throw fault('attempt_over', `attempt ${attempt} of ${showId('j', jobId)} is not held`)
  return { kept: true, missing }
}

const checkSizes = ({ limits: { maxBlobBytes } }: Engine, { files }: CheckpointManifest): void => {
  const large = files.find((file) => file.bytes > maxBlobBytes)
  if (large) throw fault('blob_too_large', `${large.path} has ${large.bytes} bytes; the limit is ${maxBlobBytes}`)
}
