import type { Move } from '../../contract/jobs.ts'
import { jobEnds } from '../../domain/job/states.ts'
import { type Id, showId } from '../../lib/ids.ts'
import * as store from '../../store/history.ts'
import { outcomesByIds } from '../../store/views.ts'
import type { PublishedOutcome } from '../engine/effects.ts'
import type { Engine } from '../engine/engine.ts'
import { outcomeOf } from '../jobs/moveJobs.ts'

const page = 5000

/**
 * Reads on in the history and tells the listeners of this process which of their jobs have ended by the work of other processes; what committed here was
 * pushed to them. Returns where to go on. The place never passes the oldest running transaction, so nothing can appear before it.
 */
export const tailHistory = async (engine: Engine, from: store.Horizon): Promise<store.Horizon> => {
  const horizon = await store.readHorizon(engine.db)
  // Only now: who began to listen before the horizon was taken must not miss what lies below it.
  const heard = engine.hub.workflows
  for (let place = from; heard.length > 0; ) {
    const { jobs, rows, last } = await store.endedBetween(engine.db, heard, ends, place, horizon, page)
    const unheard = jobs.flatMap(({ workflowId, ids }) => ids.filter((id) => !engine.hub.forget(workflowId, id)))
    for (const published of await publishedOf(engine, unheard)) engine.hub.tailedOutcome(published)
    if (rows < page) break
    place = last!
  }
  if (horizon.xid !== from.xid) engine.hub.cursor(showCursor(horizon), engine.clock())
  return horizon
}

/** What a stream that resumes at `cursor` has missed. */
export const missedSince = async (engine: Engine, workflowId: number, cursor: string) => {
  const outcomes: PublishedOutcome[] = []
  const moves: Move[] = []
  let place = readCursor(cursor)
  for (;;) {
    const rows = await store.historyOfWorkflowSince(engine.db, workflowId, ends, place, page)
    outcomes.push(
      ...(await publishedOf(
        engine,
        rows.filter((row) => row.noun === 'job').map((row) => row.id),
      )),
    )
    moves.push(...rows.filter((row) => row.noun !== 'job').map(moveOf))
    const last = rows.at(-1)
    if (last) place = { xid: last.xid, seq: last.seq }
    if (rows.length < page) return { outcomes, moves, cursor: showCursor(place) }
  }
}

export const cursorNow = async (engine: Engine): Promise<string> => showCursor(await store.readHorizon(engine.db))

const ends = [...jobEnds]

const publishedOf = async (engine: Engine, jobIds: number[]): Promise<PublishedOutcome[]> => {
  if (jobIds.length === 0) return []
  const ended = await outcomesByIds(engine.db, jobIds)
  const facts = await engine.tasks.get(new Set(ended.map((row) => row.taskId)))
  return ended.map((row) => {
    const { workflowId, parentJobId } = facts.get(row.taskId)!
    return { workflowId, parentJobId, outcome: outcomeOf(row, row) }
  })
}

const nouns = { workflow: 'w', task: 't', job: 'j', pilot: 'p' } as const

export const moveOf = (row: store.HistoryRow): Move => ({
  noun: row.noun,
  id: showId(nouns[row.noun], row.id) as Id,
  from: row.from,
  to: row.to,
  trigger: row.trigger,
  why: row.why,
  at: row.at.toISOString(),
})

export const showCursor = ({ xid, seq }: store.Horizon): string => `${xid}-${seq}`

/** A cursor that is not one of ours starts from the beginning, which sends too much rather than too little. */
export const readCursor = (text: string): store.Horizon => {
  const [, xid, seq] = /^(\d{1,19})-(\d{1,15})$/.exec(text) ?? []
  return { xid: xid ?? '0', seq: Number(seq ?? 0) }
}
