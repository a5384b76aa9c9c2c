import { ask, type Problem } from '../../api/ask.ts'
import type { Action } from '../../states/actions.ts'

/** What an action is done to. */
export type Target = { id: string; state: string; held?: boolean; priority?: number }

export type Touches = { tasks: number; jobs: { total: number }; stops: number }

export type Wanted = { action: Action; why?: string; priority?: number }

const places = { w: 'workflows', t: 'tasks', j: 'jobs' } as const

/** All of these addresses take and give the same, but for what each gives beside. */
const send = async (id: string, { action, why, priority }: Wanted, preview: boolean) => {
  const address = `POST /v1/${places[id[0] as 't']}/:id/${action as 'cancel'}` as const
  const body = { ...(why ? { why } : {}), ...(action === 'priority' ? { priority } : {}) }
  return ask(address, { params: { id: id as `t${number}` }, query: { preview }, body })
}

/** So many are asked for at once. */
const atOnce = 8

export type Outcome = { target: Target; touches?: Touches; problem?: Problem }

const toEach = async (targets: Target[], wanted: Wanted, preview: boolean): Promise<Outcome[]> => {
  const outcomes: Outcome[] = []
  for (let start = 0; start < targets.length; start += atOnce) {
    const some = targets.slice(start, start + atOnce)
    outcomes.push(
      ...(await Promise.all(
        some.map((target) =>
          send(target.id, wanted, preview).then(
            ({ touches }): Outcome => ({ target, touches }),
            (problem: Problem): Outcome => ({ target, problem }),
          ),
        ),
      )),
    )
  }
  return outcomes
}

/** What it would touch, and who refuses it. Nothing is done. */
export const preview = (targets: Target[], wanted: Wanted) => toEach(targets, wanted, true)

export const act = (targets: Target[], wanted: Wanted) => toEach(targets, wanted, false)

export const sumOfTouches = (outcomes: Outcome[]): Touches => {
  const sum = { tasks: 0, jobs: { total: 0 }, stops: 0 }
  for (const { touches } of outcomes) {
    sum.tasks += touches?.tasks ?? 0
    sum.jobs.total += touches?.jobs.total ?? 0
    sum.stops += touches?.stops ?? 0
  }
  return sum
}

/** How what was done to these is taken back; nothing where that cannot be. */
export const undoOf = (
  { action }: Wanted,
  done: Target[],
): { title: string; undo: () => Promise<Outcome[]> } | null => {
  if (action === 'pause') return { title: 'Undo', undo: () => act(done, { action: 'resume' }) }
  if (action === 'resume') return { title: 'Undo', undo: () => act(done, { action: 'pause' }) }
  if (action === 'cancel') return { title: 'Run again from the start', undo: () => act(done, { action: 'retry' }) }
  if (action === 'priority' && done.every(({ priority }) => priority !== undefined))
    return { title: 'Undo', undo: () => giveBack(done) }
  return null
}

const giveBack = async (done: Target[]): Promise<Outcome[]> => {
  const outcomes = done.map(({ priority, ...target }) => act([target], { action: 'priority', priority }))
  return (await Promise.all(outcomes)).flat()
}
