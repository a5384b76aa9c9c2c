import { z } from 'zod'
import { at, attempt, jobId } from './base.ts'
import { remoteError } from './jobs.ts'

/** A year. */
export const maxCallbackSeconds = 31_536_000

/** As much as a value may have inline; whoever posts has no right to store more. */
export const maxPostedBytes = 1_000_000

export const newCallback = z.strictObject({
  seconds: z.int().min(1).max(maxCallbackSeconds).meta({ description: 'How long the address holds, s' }),
})

export const callback = z.object({
  path: z.string().meta({ description: 'Signed address on this server to post the value to, without a token' }),
  expiresAt: at,
})

/** What a signed address says. It is its signature that is looked at, so that one which was cut off (a shell ends a command at &) is told from one that is none. */
const signedPart = z.string().max(100).optional()
export const callbackQuery = z.object({
  a: signedPart.meta({ description: 'The attempt' }),
  x: signedPart.meta({ description: 'When it ends, s since 1970' }),
  s: signedPart.meta({ description: 'The signature of both and the job' }),
})

export const posted = z.strictObject({
  value: z
    .unknown()
    .optional()
    .meta({ description: 'The value of the job: any JSON, with the tags of values where they are wanted' }),
  error: remoteError
    .optional()
    .meta({ description: 'Instead of a value: the job fails by it, as by an error of its own' }),
})
export type PostedBody = z.infer<typeof posted>

export const postedReply = z.object({ jobId, attempt, at: at.meta({ description: 'When it was posted first' }) })
export type PostedReply = z.infer<typeof postedReply>
