import type { Explanation } from '../../contract/jobs.ts'
import type { AttemptCause } from '../../domain/job/causes.ts'
import { jobSentences } from '../../domain/job/states.ts'
import type { JobFacts, QueueFacts } from './facts.ts'

type Answer = Omit<Explanation, 'subject' | 'state'>
type Rule = (job: JobFacts, now: Date) => Answer | null

/** Why a job is as it is: the first rule that fits. One cause, what shows it, and what helps. */
export const explainJob = (job: JobFacts, now: Date): Explanation => {
  for (const rule of rules) {
    const answer = rule(job, now)
    if (answer) return { subject: job.id, state: job.state, ...answer, evidence: [...answer.evidence, ...reuse(job)] }
  }
  return {
    subject: job.id,
    state: job.state,
    cause: job.state,
    sentence: jobSentences[job.state],
    evidence: reuse(job),
    remedy: null,
  }
}

const reuse = (job: JobFacts): string[] => (job.notReused ? [job.notReused] : [])

const waitsForInputs: Rule = (job) => {
  if (job.state !== 'pending') return null
  const n = Math.max(job.unmet, job.waitsFor.length)
  return {
    cause: 'waits_for_inputs',
    // Many jobs that waited, for tasks or for one job, are gone through page by page.
    sentence:
      job.waitsFor.length === 0
        ? 'what it waited for has ended: its turn comes (those that waited go a thousand at a time)'
        : `it waits for ${n} ${n === 1 ? 'other' : 'others'} to finish`,
    evidence: job.waitsFor.slice(0, 10).map((p) => `${p.id} is ${p.state}`),
    remedy: job.waitsFor[0] ? `culm explain ${job.waitsFor[0].id}` : null,
  }
}

const backsOff: Rule = (job, now) =>
  job.state === 'activated' && job.heldBy === 'timer'
    ? {
        cause: 'back_off',
        sentence: `its last attempt failed; it runs again at ${job.retryAt?.toISOString() ?? 'a time not yet known'}${job.retryAt ? ` (in ${seconds(job.retryAt.getTime() - now.getTime())})` : ''}`,
        evidence: [job.retryWhy ?? '', ...job.earlierCauses.map((cause, i) => `attempt ${i + 1}: ${cause}`)].filter(
          (e) => e !== '',
        ),
        remedy: null,
      }
    : null

const waitsForCallback: Rule = (job, now) =>
  job.state === 'holding' && job.callback
    ? {
        cause: 'waits_for_callback',
        sentence: `it has done its part, and waits for its value to be posted to its callback until ${job.callback.until.toISOString()} (for ${seconds(job.callback.until.getTime() - now.getTime())} more)`,
        evidence: [`attempt ${job.attempt} waits since ${job.callback.since.toISOString()}`, ...again(job)],
        remedy: 'have it posted to the address that the work got from `callback`; it takes no slot meanwhile',
      }
    : null

const nobodyPosted: Rule = (job) =>
  job.state === 'failed' && job.error?.type === 'CallbackTimeout'
    ? failed(
        'callback_timeout',
        'its value was to come from outside, and nobody posted it in time',
        job,
        'did the address reach who should post, and can it be reached from there? callback(seconds=…) says how long it holds',
      )
    : null

const isHeldByHand: Rule = (job) =>
  job.state === 'activated' && job.heldBy !== null && job.heldBy !== 'timer'
    ? {
        cause: job.heldBy,
        sentence: job.heldBy === 'pause' ? 'its task is paused' : 'a limit is reached',
        evidence: [],
        remedy: job.heldBy === 'pause' ? `culm resume ${job.taskId}` : null,
      }
    : null

const noQueue: Rule = (job) =>
  job.state === 'activated' && job.queues.every((q) => q.state !== 'online' && q.state !== 'test')
    ? {
        cause: 'queue_offline',
        sentence: 'no queue that may take it is online',
        evidence: job.queues.map((q) => `${q.name} is ${q.state}`),
        remedy: 'an operator sets a queue online',
      }
    : null

const noPilot: Rule = (job) =>
  job.state === 'activated' && job.queues.every((q) => q.pilots === 0)
    ? {
        cause: 'no_pilot',
        sentence: `no pilot serves ${names(job.queues)}`,
        evidence: job.queues.map((q) => `${q.name}: 0 pilots online`),
        remedy: 'start one: culm pilot (or culm up on this machine)',
      }
    : null

const tooLarge: Rule = (job) => {
  const largest = Math.max(0, ...job.queues.map((q) => q.largestSlots))
  return job.state === 'activated' && job.cores > largest
    ? {
        cause: 'does_not_fit',
        sentence: `it asks for ${job.cores} cores, and the largest pilot has ${largest}`,
        evidence: job.queues.map(slots),
        remedy: 'ask for fewer cores, or start a larger pilot',
      }
    : null
}

const tooMuchMemory: Rule = (job) => {
  const largest = Math.max(0, ...job.queues.map((q) => q.largestMemoryMb ?? Number.POSITIVE_INFINITY))
  return job.state === 'activated' && (job.memoryMb ?? 0) > largest
    ? {
        cause: 'does_not_fit',
        sentence: `it asks for ${job.memoryMb} MB, and no pilot has more than ${largest}`,
        evidence: job.queues.map(slots),
        remedy: 'ask for less memory, or start a larger pilot',
      }
    : null
}

const tooFewGpus: Rule = (job) => {
  const largest = Math.max(0, ...job.queues.map((q) => q.largestGpus))
  return job.state === 'activated' && job.gpus > largest
    ? {
        cause: 'no_gpus',
        sentence: `it asks for ${gpus(job.gpus)}, and ${largest === 0 ? 'no pilot has any' : `no pilot has more than ${largest}`}`,
        evidence: job.queues.map(slots),
        remedy: 'start a pilot where there are GPUs (culm pilot --gpus N tells it how many), or ask for fewer',
      }
    : null
}

const slotsBusy: Rule = (job) =>
  job.state === 'activated'
    ? {
        cause: 'slots_busy',
        sentence: `all ${job.gpus > 0 ? 'slots or GPUs' : 'slots'} that it could have are in use; it is next when those before it have run`,
        evidence: [...job.queues.map(slots), ...job.queues.map((q) => `${q.name}: ${q.waitingBefore} before it`)],
        remedy: 'wait, raise its priority, or start more pilots',
      }
    : null

const cancelAsked: Rule = (job) =>
  job.cancelAsked
    ? {
        cause: 'cancel_asked',
        sentence: 'it is being cancelled: its pilot has been asked to end it',
        evidence: onPilot(job),
        remedy: null,
      }
    : null

const pilotSilent: Rule = (job) =>
  job.pilot && job.pilot.state !== 'online'
    ? {
        cause: 'pilot_silent',
        sentence:
          'its pilot has fallen silent; it is given to another when the patience for it is over, unless the pilot comes back',
        evidence: onPilot(job),
        remedy: 'look at the pilot’s machine; lostAfterSeconds of the task says how long to wait',
      }
    : null

const isHeld: Rule = (job) =>
  job.pilot && ['sent', 'starting', 'running', 'awaiting'].includes(job.state)
    ? {
        cause: job.state,
        sentence: jobSentences[job.state],
        evidence: [...onPilot(job), ...again(job)],
        remedy: `culm logs -f ${job.id}`,
      }
    : null

const overMemory: Rule = (job) =>
  job.cause === 'memory'
    ? failed(
        'over_memory',
        `it used more than its limit of ${job.memoryMb} MB`,
        job,
        `ask for more memory${job.maxRssMb ? ` (its peak was ${Math.ceil(job.maxRssMb)} MB)` : ''}, or for attempts by \`memory\`, of which each has twice as much`,
      )
    : null

const overTime: Rule = (job) =>
  job.cause === 'walltime'
    ? failed(
        'over_walltime',
        `it ran longer than its limit of ${job.wallSecondsLimit} s`,
        job,
        'ask for more time, or make its work smaller',
      )
    : null

const sentences: Record<AttemptCause, [cause: string, sentence: string, remedy: (job: JobFacts) => string]> = {
  user: ['user_error', 'its own code failed', (job) => `culm logs ${job.id}`],
  memory: [
    'over_memory',
    'it used more memory than it may',
    () => 'ask for more memory, or for attempts by `memory`, of which each has twice as much',
  ],
  walltime: ['over_walltime', 'it ran longer than it may', () => 'ask for more time'],
  bundle: [
    'bundle_error',
    'its code could not be loaded where it ran',
    () =>
      'see the message: what is yours must lie beside the file of the work; packages are named in a lock file (`requirements`), or come with an image or a queue that has them',
  ],
  environment: [
    'environment_error',
    'its environment could not be made where it ran',
    (job) => `see the message; culm logs ${job.id} has all that was said`,
  ],
  site: ['site_error', 'the place could not run it', () => 'try another queue, or tell its operator'],
  storage: ['storage_error', 'its inputs or outputs could not be moved', () => 'culm doctor'],
  lost: [
    'lost',
    'its pilot fell silent each time it was tried',
    (job) => `look at the pilot’s machine; then culm retry ${job.id}`,
  ],
  runner: ['process_died', 'its process ended without a word', (job) => `culm logs ${job.id}`],
  parent: [
    'parent_failed',
    'something it needed did not finish',
    () => 'mend that, and retry it: what was cancelled for it comes back with it',
  ],
  cancelled: ['cancelled', 'it was cancelled', (job) => `culm retry ${job.id}, if that was a mistake`],
}

const hasFailed: Rule = (job) => {
  if (!job.cause || (job.state !== 'failed' && job.state !== 'cancelled')) return null
  const [cause, sentence, remedy] = sentences[job.cause]
  return failed(cause, sentence, job, remedy(job))
}

const wasReused: Rule = (job) =>
  job.state === 'finished' && job.reusedFrom
    ? {
        cause: 'reused',
        sentence: `it did not run: ${job.reusedFrom} had computed the same, with the same code, arguments and environment`,
        evidence: [],
        remedy: null,
      }
    : null

const rules: readonly Rule[] = [
  cancelAsked,
  waitsForInputs,
  backsOff,
  waitsForCallback,
  isHeldByHand,
  noQueue,
  noPilot,
  tooLarge,
  tooMuchMemory,
  tooFewGpus,
  slotsBusy,
  pilotSilent,
  isHeld,
  overMemory,
  overTime,
  nobodyPosted,
  hasFailed,
  wasReused,
]

const failed = (cause: string, sentence: string, job: JobFacts, remedy: string): Answer => ({
  cause,
  sentence,
  evidence: [
    ...(job.error ? [`${job.error.type}: ${job.error.message.split('\n')[0]!.slice(0, 300)}`] : []),
    ...(job.exitCode !== null ? [`exit code ${job.exitCode}`] : []),
    ...(job.signal ? [`signal ${job.signal}`] : []),
    ...(job.maxRssMb ? [`peak memory ${Math.ceil(job.maxRssMb)} MB`] : []),
    ...(job.wallSeconds !== null ? [`ran ${seconds(job.wallSeconds * 1000)}`] : []),
    ...again(job),
  ],
  remedy,
})

const again = (job: JobFacts): string[] =>
  job.earlierCauses.length > 0 ? [`attempt ${job.attempt}; earlier ones: ${job.earlierCauses.join(', ')}`] : []
const onPilot = ({ pilot }: JobFacts): string[] =>
  pilot ? [`${pilot.id} on ${pilot.host} is ${pilot.state}, last heard ${pilot.seenAt.toISOString()}`] : []
const slots = (q: QueueFacts): string =>
  `${q.name}: ${q.running} running, ${q.slots} slots${q.gpus > 0 ? ` and ${gpus(q.gpus)}` : ''} on ${q.pilots} pilots`
const gpus = (n: number): string => `${n} ${n === 1 ? 'GPU' : 'GPUs'}`
const names = (queues: QueueFacts[]): string => queues.map((q) => q.name).join(' or ')
const seconds = (ms: number): string => `${(Math.max(0, ms) / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`
