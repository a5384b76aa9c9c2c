import type { Explanation } from '../contract/jobs.ts'
import { taskSentences } from '../domain/task/states.ts'
import { workflowSentences } from '../domain/workflow/states.ts'
import { showId } from '../lib/ids.ts'
import { explainJob as decide } from '../policy/explain/decide.ts'
import type { JobFacts } from '../policy/explain/facts.ts'
import { deferredOf } from '../store/callbacks.ts'
import * as store from '../store/explain.ts'
import { pilotById } from '../store/pilots.ts'
import { timerOf } from '../store/timers.ts'
import { attemptsOf, jobLineById, resultOf } from '../store/views.ts'
import type { Principal } from './access/authenticate.ts'
import type { Engine } from './engine/engine.ts'
import { whyNotReused } from './jobs/reuse.ts'
import { memoryOf, seeJob } from './views/jobs.ts'
import { getTask, seeTask } from './views/tasks.ts'
import { getWorkflow } from './views/workflows.ts'

export const explainJob = async (engine: Engine, principal: Principal, id: number): Promise<Explanation> => {
  await seeJob(engine, principal, id)
  return decide(await factsOf(engine, id), engine.clock())
}

/** A task is as its most telling job is, with its own numbers before that. */
export const explainTask = async (engine: Engine, principal: Principal, id: number): Promise<Explanation> => {
  await seeTask(engine, principal, id)
  const task = await getTask(engine, principal, id)
  const counts = Object.entries(task.counts)
    .filter(([state]) => state !== 'total')
    .map(([state, n]) => `${n} ${state}`)
  const own = {
    subject: task.id,
    state: task.state,
    evidence: [`${task.counts.total} ${task.counts.total === 1 ? 'job' : 'jobs'}: ${counts.join(', ') || 'none yet'}`],
  }
  const jobId = task.state === 'done' ? undefined : await store.tellingJob(engine.db, id)
  if (jobId === undefined) return { ...own, cause: task.state, sentence: taskSentences[task.state], remedy: null }
  if (task.state === 'paused')
    return { ...own, cause: 'pause', sentence: taskSentences.paused, remedy: `culm resume ${task.id}` }
  const job = decide(await factsOf(engine, jobId), engine.clock())
  return {
    ...own,
    cause: job.cause,
    sentence: `${taskSentences[task.state]}; ${job.subject}: ${job.sentence}`,
    evidence: [...own.evidence, ...job.evidence],
    remedy: job.remedy,
  }
}

export const explainWorkflow = async (engine: Engine, principal: Principal, id: number): Promise<Explanation> => {
  const workflow = await getWorkflow(engine, principal, id)
  const own = {
    subject: workflow.id,
    state: workflow.state,
    evidence: [
      `${workflow.tasks.ended} of ${workflow.tasks.total} tasks ended`,
      ...(workflow.why ? [workflow.why] : []),
    ],
  }
  if (workflow.held)
    return {
      ...own,
      cause: 'pause',
      sentence: 'a person holds it: what runs may end, and nothing more of it begins',
      remedy: `culm resume ${workflow.id}`,
    }
  if (workflow.state === 'paused')
    return {
      ...own,
      cause: 'driver_silent',
      sentence:
        'its driver fell silent; what it had called runs on, and its program goes on from there when it is continued',
      remedy: workflow.run
        ? `culm run ${shellWord(workflow.program ?? 'FILE')} --continue ${workflow.id}`
        : `culm cancel ${workflow.id}, and start the program again`,
    }
  const taskId = workflow.state === 'done' ? undefined : await store.tellingTask(engine.db, id)
  if (taskId === undefined)
    return {
      ...own,
      cause: workflow.state,
      sentence: workflow.error?.message.split('\n')[0] ?? workflowSentences[workflow.state],
      remedy: null,
    }
  const task = await explainTask(engine, principal, taskId)
  return {
    ...own,
    cause: task.cause,
    sentence: `${workflowSentences[workflow.state]}; ${task.subject}: ${task.sentence}`,
    evidence: [...own.evidence, ...task.evidence],
    remedy: task.remedy,
  }
}

/** A name as a shell takes it. */
const shellWord = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`

const factsOf = async (engine: Engine, id: number): Promise<JobFacts> => {
  const line = (await jobLineById(engine.db, id))!
  const task = (await engine.tasks.get([line.taskId])).get(line.taskId)!
  const [result, attempts, [deferred], parents, timer, queues, reusedFrom, notReused] = await Promise.all([
    resultOf(engine.db, id),
    attemptsOf(engine.db, id),
    deferredOf(engine.db, [id]),
    store.unfinishedParents(engine.db, id, 20),
    timerOf(engine.db, 'backOff', id),
    store.queuesOfLane(engine.db, line.laneId, id),
    task.cache ? store.reusedFrom(engine.db, id) : null,
    task.cache ? whyNotReused(engine, id) : null,
  ])
  const last = attempts.at(-1)
  const holder = last && last.ending === null ? await pilotById(engine.db, last.pilotId) : undefined
  return {
    id: showId('j', id),
    state: line.state,
    attempt: line.attempt,
    unmet: line.unmet,
    taskId: showId('t', line.taskId),
    heldBy: line.heldBy,
    cancelAsked: line.cancelAsked,
    cause: result?.cause ?? null,
    error: result?.error ? JSON.parse(result.error) : null,
    exitCode: last?.exitCode ?? null,
    signal: last?.signal ?? null,
    maxRssMb: last?.maxRssMb ?? null,
    wallSeconds: last?.wallSeconds ?? null,
    cores: task.cores,
    memoryMb: await memoryOf(engine, line.laneId),
    gpus: task.gpus,
    wallSecondsLimit: task.wallSeconds,
    waitsFor: parents.map((p) => ({ id: showId(p.noun, p.id), state: p.state })),
    retryAt: timer?.at ?? null,
    retryWhy: timer?.why ?? null,
    callback: deferred ? { since: deferred.endedAt, until: deferred.until } : null,
    pilot: holder
      ? { id: showId('p', holder.id), state: holder.state, host: holder.host, seenAt: holder.seenAt }
      : null,
    earlierCauses: attempts.slice(0, -1).flatMap((a) => (a.cause ? [a.cause] : [])),
    queues,
    reusedFrom: reusedFrom ?? null,
    notReused,
  }
}
