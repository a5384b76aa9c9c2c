import { createHmac, timingSafeEqual } from 'node:crypto'
import type { PostedBody, PostedReply } from '../../contract/callbacks.ts'
import { fault } from '../../contract/faults.ts'
import { jobEnds } from '../../domain/job/states.ts'
import { showId } from '../../lib/ids.ts'
import { memberText } from '../../lib/memberText.ts'
import * as store from '../../store/callbacks.ts'
import type { Db } from '../../store/db.ts'
import { endingOf, type LockedJob, lockFamilies } from '../../store/jobs.ts'
import type { Principal } from '../access/authenticate.ts'
import { type Engine, transact } from '../engine/engine.ts'
import { applyPosted } from './deferred.ts'
import { mayGoOn } from './endAttempts.ts'

/** The attempt whose value an address takes, and until when, s since 1970. */
type Callback = { jobId: number; attempt: number; expires: number }

const signature = (engine: Engine, { jobId, attempt, expires }: Callback): string =>
  createHmac('sha256', engine.keys.callbacks).update(`callback ${jobId} ${attempt} ${expires}`).digest('base64url')

/** An address for the value of the attempt that asks. There is no row of it: its signature is the right to post. */
export const createCallback = async (
  engine: Engine,
  principal: Principal,
  jobId: number,
  seconds: number,
): Promise<{ path: string; expiresAt: string }> => {
  if (principal.kind !== 'job' || principal.jobId !== jobId)
    throw fault('job_unknown', 'a job asks for callbacks of its own only')
  const { attempt } = principal
  const expires = Math.ceil(engine.clock().getTime() / 1000) + seconds
  const s = signature(engine, { jobId, attempt, expires })
  const query = new URLSearchParams({ a: String(attempt), x: String(expires), s })
  return {
    path: `/v1/callbacks/${showId('j', jobId)}?${query}`,
    expiresAt: new Date(expires * 1000).toISOString(),
  }
}

/** What an address says, once it is known to be ours. */
export const readCallback = (
  engine: Engine,
  jobId: number,
  { a, x, s = '' }: { a?: string; x?: string; s?: string },
): Callback => {
  const callback = { jobId, attempt: Number(a), expires: Number(x) }
  const [given, expected] = [Buffer.from(s), Buffer.from(signature(engine, callback))]
  if (given.length !== expected.length || !timingSafeEqual(given, expected))
    throw fault('callback_invalid', `the signature of this address for ${showId('j', jobId)} is wrong or missing`)
  return callback
}

/**
 * Somebody outside posts the value of an attempt, or what went wrong. `text` is the body as it came: the value is kept as it was written, 1.0 as 1.0. When the payload has not ended yet, what
 * was posted waits for it. The same once more is answered the same.
 */
export const postToCallback = (
  engine: Engine,
  { jobId, attempt, expires }: Callback,
  body: PostedBody,
  text: string,
): Promise<PostedReply> => {
  const given = contentOf(body, text)
  return transact(engine, async (tx, effects) => {
    const [job] = await lockFamilies(tx, [jobId], engine.limits.jobsAtOnce)
    const reply = (at: Date): PostedReply => ({ jobId: showId('j', jobId), attempt, at: at.toISOString() })
    const before = await store.postedFor(tx, jobId, attempt)
    if (before?.value === given.value && before.error === given.error) return reply(before.at)
    if (before) throw fault('callback_used', `something else was posted to it at ${before.at.toISOString()}`)
    const now = engine.clock()
    const expiresAt = new Date(expires * 1000)
    if (expiresAt <= now) throw fault('callback_expired', `it held until ${expiresAt.toISOString()}`)
    if (!job || !(await isUnderWay(tx, job, attempt)))
      throw fault('callback_over', `attempt ${attempt} of ${showId('j', jobId)} is over`)
    const posted = { ...given, at: now }
    await store.insertPosted(tx, { jobId, attempt, expiresAt, ...posted })
    if (job.state === 'holding') await applyPosted(engine, tx, effects, job, posted)
    return reply(now)
  })
}

const contentOf = (body: PostedBody, text: string): { value: string | null; error: string | null } => {
  const value = memberText(text, 'value')
  if ((value === undefined) === (body.error === undefined))
    throw fault('fields_disagree', 'post either `value` (any JSON, null too) or `error` ({type, message}), not both')
  return { value: value ?? null, error: body.error ? JSON.stringify(body.error) : null }
}

/** An attempt that was given up as lost has not ended as long as nobody has begun another: its pilot may be heard again. */
const isUnderWay = async (tx: Db, job: LockedJob, attempt: number): Promise<boolean> => {
  if (job.attempt !== attempt) return false
  const ending = await endingOf(tx, job.id, attempt)
  return ending === undefined || (ending === 'lost' && mayGoOn(job))
}

/** What was posted is remembered for so long after its address has ended, ms: whoever repeats a post does so within minutes. */
const rememberedMs = 86_400_000

export const forgetPosted = async (engine: Engine): Promise<void> => {
  await store.forgetPosted(engine.db, new Date(engine.clock().getTime() - rememberedMs), [...jobEnds])
}
