import { z } from 'zod'
import { at, attempt, hash, jobId, wellFormed, workflowId } from './base.ts'

export const newBlob = z.strictObject({
  hash,
  bytes: z.int().min(0),
  workflowId: workflowId.optional().meta({ description: 'Whose it is: a pilot says it, of a job that it holds' }),
  jobId: jobId.optional().meta({ description: 'Whose result it is: a pilot says it, of a job that it holds' }),
  attempt: attempt.optional().meta({ description: 'The attempt of that job; the address holds no longer than it' }),
})

export const blobTicket = z.object({
  present: z.boolean(),
  url: z
    .string()
    .nullable()
    .meta({ description: 'Signed address to PUT the bytes to; null when they are here already' }),
})

export const blobPlace = z.object({
  bytes: z.int(),
  url: z.string().meta({ description: 'Signed address to GET the bytes from; it holds for some minutes' }),
})

/** Anything but `.` and `..`, without slashes and control characters. */
const segment = String.raw`(?:\.?[^./\\\u0000-\u001f\u007f][^/\\\u0000-\u001f\u007f]*|\.\.[^/\\\u0000-\u001f\u007f]+)`

/** A relative path of a bundle: no way out of its folder, no empty or dotted segments, forward slashes. */
export const bundlePath = z
  .string()
  .min(1)
  .max(500)
  .regex(new RegExp(`^${segment}(?:/${segment})*$`, 'u'))
  .meta({ format: wellFormed })

/** Sources, not data: more than this was bundled by mistake, and every pilot would have to keep it. */
export const maxBundleBytes = 50_000_000

const files = z.array(z.strictObject({ path: bundlePath, hash, bytes: z.int().min(0) })).max(20_000)

export const manifest = z.strictObject({ version: z.literal(1), language: z.enum(['node', 'python']), files })
export type Manifest = z.infer<typeof manifest>

/** The name of a bundle: the hash of its manifest, written with sorted files and without spaces. */
export const manifestText = ({ version, language, files }: Manifest): string =>
  JSON.stringify({ version, language, files: sorted(files) })

const sorted = (files: Manifest['files']): Manifest['files'] =>
  [...files].sort((a, b) => (a.path < b.path ? -1 : 1)).map(({ path, hash, bytes }) => ({ path, hash, bytes }))

export const bundleTicket = z.object({
  bundle: hash,
  missing: z
    .array(z.object({ hash, url: z.string() }))
    .meta({ description: 'PUT these, then send the manifest again' }),
})

/** What a job keeps of its working folder for its next attempt: files by their paths in there. */
export const checkpointManifest = z.strictObject({ version: z.literal(1), files })
export type CheckpointManifest = z.infer<typeof checkpointManifest>

/** As it is stored, under its hash. */
export const checkpointText = ({ version, files }: CheckpointManifest): string =>
  JSON.stringify({ version, files: sorted(files) })

export const checkpointTicket = z.object({
  kept: z.boolean().meta({ description: 'The next attempt gets this' }),
  missing: z.array(z.object({ hash, url: z.string() })).meta({
    description: 'PUT these, then send the manifest again; until then the job has the checkpoint that it had',
  }),
})

/** What the next attempt of a job gets. */
export const checkpointView = z.object({ attempt, bytes: z.int(), at })
export type CheckpointView = z.infer<typeof checkpointView>
