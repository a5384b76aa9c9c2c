import { fault } from '../contract/faults.ts'
import { currentRuntime } from './runtime.ts'

/** As in a runner, which has its own copy of this code. */
const callbackMark = Symbol.for('culm.callback')

type Mark = { jobId: string; attempt: number; expiresAt: string }

/** Where the value of a job is to be posted, a `T`. The job returns it in place of that. */
export class Callback<T = unknown> {
  /** The whole address, signed: whoever has it may post, once. */
  readonly url: string
  readonly expiresAt: Date
  readonly [callbackMark]: Mark & { posted?: T }

  constructor(url: string, mark: Mark) {
    this.url = url
    this.expiresAt = new Date(mark.expiresAt)
    this[callbackMark] = mark
  }

  /** By this it is refused inside a value, where nobody would look for it. */
  get [Symbol.toStringTag](): string {
    return 'culm.Callback'
  }
}

/**
 * An address to which the value of this job may be posted from outside, for so many seconds (a day when left out, a
 * year at most). A work that returns it ends without a value and takes no slot; its caller waits until somebody has posted
 * `{"value": …}`, or `{"error": {"type": …, "message": …}}`, by which it fails.
 *
 * ```ts
 * export const ask = work(async (question: string) => {
 *   const later = await callback<number>({ seconds: 86_400 })
 *   await sendMail(question, later.url)
 *   return later
 * })
 * ```
 * @throws `callback_misplaced` outside of a job.
 */
export const callback = async <T = unknown>({ seconds = 86_400 }: { seconds?: number } = {}): Promise<Callback<T>> => {
  const { job, serverUrl, importing } = currentRuntime() ?? {}
  if (!job || !serverUrl || importing)
    throw fault(
      'callback_misplaced',
      'callback was called outside of a job, so there is nothing that could wait for a value',
    )
  const { makeClient } = await import('../contract/client.ts')
  const client = makeClient({ url: serverUrl, token: job.token })
  const { jobId, attempt } = job
  try {
    const params = { id: jobId as `j${number}` }
    const { path, expiresAt } = await client.call('createCallback', { params, body: { seconds }, repeat: true })
    return new Callback(client.url + path, { jobId, attempt, expiresAt })
  } finally {
    await client.close()
  }
}
