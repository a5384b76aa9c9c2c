import type { z } from 'zod'
import { fault } from '../../contract/faults.ts'
import {
  maxWindowDays,
  type TaskTrouble,
  type Trouble,
  type Troubles,
  type TroubleView,
  type troubleQuery,
  type troubleWindow,
} from '../../contract/troubles.ts'
import { showId } from '../../lib/ids.ts'
import * as store from '../../store/troubles.ts'
import type { Principal } from '../access/authenticate.ts'
import { experimentOf } from '../access/rights.ts'
import type { Engine } from '../engine/engine.ts'
import { errorLine, seeTask } from './tasks.ts'

const [hourMs, dayMs] = [3_600_000, 86_400_000]

/** So many steps of a course at most: a day by the hour, a month by 15 hours. */
const mostSteps = 50

const [mostHosts, mostPeople, mostJobs] = [50, 20, 100]

export const listTroubles = async (
  engine: Engine,
  principal: Principal,
  { queue, cause, limit, ...asked }: z.output<typeof troubleQuery>,
): Promise<Troubles> => {
  const window = windowOf(asked, engine.clock())
  const rows = await store.troublesIn(engine.db, {
    ...{ experimentId: experimentOf(principal), limit },
    ...{ queue: queue ?? null, cause: cause ?? null },
    ...window,
  })
  const steps = await store.troubleSteps(engine.db, { ...window, queue: queue ?? null, ids: rows.map((row) => row.id) })
  const byId = groupedBy(steps, (step) => step.id)
  return {
    ...showWindow(window),
    items: rows.map((row) => ({
      ...showTrouble(row),
      attempts: row.attempts,
      queues: row.queues,
      course: courseOf(byId.get(row.id) ?? [], window.steps),
    })),
  }
}

export const getTrouble = async (
  engine: Engine,
  principal: Principal,
  id: number,
  asked: z.output<typeof troubleWindow>,
): Promise<TroubleView> => {
  const row = await store.troubleById(engine.db, id)
  // What one may not see does not exist.
  if (!row || row.experimentId !== experimentOf(principal)) throw fault('trouble_unknown')
  const window = windowOf(asked, engine.clock())
  const [steps, hosts, people, jobs] = await Promise.all([
    store.troubleSteps(engine.db, { ...window, queue: null, ids: [id] }),
    store.hostsOfTrouble(engine.db, id, mostHosts),
    store.peopleOfTrouble(engine.db, id, mostPeople),
    store.jobsOfTrouble(engine.db, id, mostJobs),
  ])
  const byQueue = [...groupedBy(steps, (step) => step.queue)]
    .map(([queue, its]) => ({ queue, attempts: sumOf(its), course: courseOf(its, window.steps) }))
    .sort((a, b) => b.attempts - a.attempts)
  return {
    ...showTrouble(row),
    ...showWindow(window),
    attempts: sumOf(steps),
    queues: byQueue.map(({ queue }) => queue),
    course: courseOf(steps, window.steps),
    ...{ byQueue, people },
    hosts: hosts.map((host) => ({ ...host, lastAt: host.lastAt.toISOString() })),
    jobs: jobs.map(showJob),
  }
}

export const taskTroubles = async (
  engine: Engine,
  principal: Principal,
  id: number,
): Promise<{ items: TaskTrouble[] }> => {
  await seeTask(engine, principal, id)
  const rows = await store.troublesOfTask(engine.db, id, 100)
  return {
    items: rows.map((row) => ({
      ...{ id: showId('e', row.id), cause: row.cause, text: row.text, fingerprint: row.fingerprint },
      ...{ attempts: row.attempts, since: row.firstAt.toISOString(), lastAt: row.lastAt.toISOString() },
      jobId: showId('j', row.jobId),
    })),
  }
}

type Window = { from: Date; until: Date; stepSeconds: number; steps: number }

/** Whole hours, which are what is kept. One that ends before it begins is empty. */
const windowOf = (asked: z.output<typeof troubleWindow>, now: Date): Window => {
  const until = Math.ceil((asked.to ? Date.parse(asked.to) : now.getTime() + 1) / hourMs) * hourMs
  const from = Math.floor((asked.from ? Date.parse(asked.from) : until - dayMs) / hourMs) * hourMs
  const begin = Math.min(until, Math.max(from, until - maxWindowDays * dayMs))
  const hours = (until - begin) / hourMs
  const stepHours = Math.max(1, Math.ceil(hours / mostSteps))
  return {
    ...{ from: new Date(begin), until: new Date(until) },
    ...{ stepSeconds: stepHours * 3600, steps: Math.ceil(hours / stepHours) },
  }
}

const showWindow = ({ from, until, stepSeconds }: Window) => ({
  ...{ from: from.toISOString(), to: until.toISOString(), stepSeconds },
})

type Step = { step: number; attempts: number }

const courseOf = (rows: readonly Step[], steps: number): number[] => {
  const course = new Array<number>(steps).fill(0)
  for (const { step, attempts } of rows) course[step]! += attempts
  return course
}

const groupedBy = <T, Key>(rows: readonly T[], keyOf: (row: T) => Key): Map<Key, T[]> => {
  const groups = new Map<Key, T[]>()
  for (const row of rows) groups.set(keyOf(row), [...(groups.get(keyOf(row)) ?? []), row])
  return groups
}

const sumOf = (rows: readonly Step[]): number => rows.reduce((sum, { attempts }) => sum + attempts, 0)

const showTrouble = (
  row: Omit<store.TroubleRow, 'attempts' | 'queues'>,
): Omit<Trouble, 'attempts' | 'queues' | 'course'> => ({
  ...{ id: showId('e', row.id), cause: row.cause, text: row.text, fingerprint: row.fingerprint },
  ...{ since: row.firstAt.toISOString(), lastAt: row.lastAt.toISOString() },
  ...{ jobId: showId('j', row.jobId), total: row.total, tasks: row.tasks, users: row.users },
})

const showJob = ({ error, ...row }: store.TroubleJobRow): TroubleView['jobs'][number] => ({
  ...row,
  id: showId('j', row.id),
  taskId: showId('t', row.taskId),
  at: row.at.toISOString(),
  error: error && errorLine(JSON.parse(error)),
})
