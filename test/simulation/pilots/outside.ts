import { isFault } from '../../../src/lib/fault.ts'
import { createCallback, postToCallback, readCallback } from '../../../src/services/jobs/callbacks.ts'
import { type Nature, textOf } from '../payload.ts'
import { answered, type World } from '../world.ts'
import type { Held } from './held.ts'
import { askAsJob, type Host } from './host.ts'

type Later = NonNullable<Nature['later']>

/** Has its value posted by somebody outside; until when that may come. Undefined when the attempt is over. */
export const askOutside = async (host: Host, held: Held, later: Later): Promise<string | undefined> => {
  const id = Number(held.job.jobId.slice(1))
  const address = await askAsJob(host, held, 'asks for a callback', (engine, principal) =>
    createCallback(engine, principal, id, later.seconds),
  )
  if (!address) return undefined
  host.world.timeline.spawn(() => postLater(host.world, held, later, address.path))
  return address.expiresAt
}

/** Who is outside knows nothing of the pilot: he posts whether it lives or not. */
const postLater = async (world: World, { job, task }: Held, { postedMs, says }: Later, path: string): Promise<void> => {
  const { jobId, attempt } = job
  const known = world.model.job(task.name, job.index)!
  const query = Object.fromEntries(new URL(path, 'http://here').searchParams)
  const text =
    says === 'value' ? `{"value":${textOf(known.nature, attempt)}}` : '{"error":{"type":"Oops","message":"no"}}'
  await world.timeline.sleep(postedMs)
  world.referee.posts(jobId, attempt, says, known)
  const reply = await answered(
    world,
    { name: 'outside', reachable: () => true },
    {
      what: `posts to ${jobId}:${attempt}`,
      safeTwice: true,
      handle: (engine) =>
        postToCallback(engine, readCallback(engine, Number(jobId.slice(1)), query), JSON.parse(text), text),
    },
  )
  if (!isFault(reply)) world.referee.tookPost(jobId, attempt)
  else if (!['callback_expired', 'callback_over'].includes(reply.code))
    world.referee.broken.push(`${jobId}:${attempt} was posted to, and refused: ${reply.code} ${reply.message}`)
}
