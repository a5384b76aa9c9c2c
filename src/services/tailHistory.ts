import type { Move } from '../contract/jobs.ts'
import { jobEnds } from '../domain/job/states.ts'
import { type Id, showId } from '../lib/ids.ts'
import type { Db } from '../store/db.ts'
import * as store from '../store/history.ts'
import { outcomesByIds } from '../store/views.ts'
import type { PublishedOutcome } from './effects.ts'
import type { Engine } from './engine.ts'
import { outcomeOf } from './moveJobs.ts'

const page = 5000

/**
 * Reads on in the history and tells the listeners of this process what was not pushed to them when it committed: what other processes wrote. Returns where
 * to go on. The place never passes the oldest running transaction, so nothing can appear before it.
 */
export const tailHistory = async (engine: Engine, from: store.Horizon): Promise<store.Horizon> => {
  for (let place = from; ; ) {
    const rows = await store.historySince(engine.db, place, page)
    const heard = rows.filter((row) => engine.hub.listens(row.workflowId))
    for (const published of await endedAmong(engine, engine.db, heard)) engine.hub.tailedOutcome(published)
    for (const row of rows) if (row.noun === 'job' && isEnd(row.to)) engine.hub.forget(row.id)
    const last = rows.at(-1)
    if (last) place = { xid: last.xid, seq: last.seq }
    if (rows.length < page) {
      if (last) engine.hub.cursor(showCursor(place), engine.clock())
      return place
    }
  }
}

/** What a stream that resumes at `cursor` has missed. */
export const missedSince = async (engine: Engine, workflowId: number, cursor: string) => {
  const outcomes: PublishedOutcome[] = []
  const moves: Move[] = []
  let place = readCursor(cursor)
  for (;;) {
    const rows = await store.historyOfWorkflowSince(engine.db, workflowId, place, page)
    outcomes.push(...(await endedAmong(engine, engine.db, rows)))
    moves.push(...rows.filter((row) => row.noun !== 'job').map(moveOf))
    const last = rows.at(-1)
    if (last) place = { xid: last.xid, seq: last.seq }
    if (rows.length < page) return { outcomes, moves, cursor: showCursor(place) }
  }
}

export const cursorNow = async (engine: Engine): Promise<string> => showCursor(await store.readHorizon(engine.db))

const isEnd = (state: string): boolean => (jobEnds as readonly string[]).includes(state)

const endedAmong = async (engine: Engine, db: Db, rows: store.HistoryRow[]): Promise<PublishedOutcome[]> => {
  const ids = rows.filter((row) => row.noun === 'job' && isEnd(row.to)).map((row) => row.id)
  if (ids.length === 0) return []
  const ended = await outcomesByIds(db, ids)
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
