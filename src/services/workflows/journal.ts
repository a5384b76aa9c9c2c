import type { z } from 'zod'
import { fault } from '../../contract/faults.ts'
import type { JournalEntry, journalQuery, NewRecord } from '../../contract/workflows.ts'
import { type JobEnd, jobEnds } from '../../domain/job/states.ts'
import { workflowHasEnded } from '../../domain/workflow/states.ts'
import { readId, showId } from '../../lib/ids.ts'
import * as store from '../../store/journal.ts'
import { workflowById } from '../../store/workflows.ts'
import type { Principal } from '../access/authenticate.ts'
import { demand } from '../access/rights.ts'
import type { Engine } from '../engine/engine.ts'
import { outcomeOf } from '../jobs/moveJobs.ts'

/** Characters of a value that comes with the journal: a full page of 1000 entries then stays a few megabytes. */
const shortResult = 4000

/** Whose journal a caller writes: that of his job, or that of the driver. */
export const scopeOf = (principal: Principal): number => (principal.kind === 'job' ? principal.jobId : 0)

/** Records a value under a key. Whoever comes second, be it the same request again or a later start of the program, gets what the first had recorded. */
export const keepRecord = async (
  engine: Engine,
  principal: Principal,
  workflowId: number,
  { key, epoch, value, seen }: NewRecord,
): Promise<{ value: string; known: boolean }> => {
  demand(principal, 'write', await engine.workflows.get(workflowId), 'workflow_unknown')
  for (const text of [value, seen ?? '']) mustBeStorable(text)
  const scope = scopeOf(principal)
  const made = await store.insertRecord(engine.db, { workflowId, scope, key, epoch, value, seen: seen ?? null })
  if (made > 0) return { value, known: false }
  const before = await store.recordOf(engine.db, workflowId, scope, key)
  if (before && (scope !== 0 || before.driverEpoch === epoch)) {
    if (before.value === null) throw fault('invalid_input', `"${key}" is the key of a call`)
    return { value: before.value, known: true }
  }
  return refuseDriver(engine, workflowId, epoch)
}

/** Why a driver may not write: its workflow has ended, or a newer one runs it. */
export const refuseDriver = async (engine: Engine, workflowId: number, epoch: number | undefined): Promise<never> => {
  const { state, closed, driverEpoch } = (await workflowById(engine.db, workflowId))!
  if (workflowHasEnded(state) || closed)
    throw fault('workflow_ended', `${showId('w', workflowId)} is ${closed ? 'closed' : state}`)
  throw driverReplaced(workflowId, driverEpoch, epoch)
}

export const driverReplaced = (workflowId: number, newest: number, epoch: number | undefined) =>
  fault('driver_replaced', `driver ${newest} of ${showId('w', workflowId)} is the newest, not ${epoch}`)

const mustBeStorable = (text: string): void => {
  if (text.includes('\u0000') || !text.isWellFormed())
    throw fault('invalid_text', 'the text holds a raw NUL or a lone surrogate')
}

export const readJournal = async (
  engine: Engine,
  principal: Principal,
  workflowId: number,
  { scope, after, limit }: z.output<typeof journalQuery>,
): Promise<{ items: JournalEntry[]; next: number | null }> => {
  demand(principal, 'read', await engine.workflows.get(workflowId), 'workflow_unknown')
  const scopeId = scope === 'driver' ? 0 : readId('j', scope)!
  const page = { workflowId, scope: scopeId, after, limit: limit + 1, maxLength: shortResult }
  const rows = await store.journalPage(engine.db, page)
  const items = rows.slice(0, limit).map(entryOf)
  return { items, next: rows.length > limit ? items.at(-1)!.seq : null }
}

const entryOf = (row: store.JournalRow): JournalEntry => ({
  seq: row.seq,
  key: row.key,
  seen: row.seen,
  taskId: row.taskId === null ? null : showId('t', row.taskId),
  value: row.value,
  jobs: row.jobs ?? 0,
  closed: row.closed ?? true,
  firstJobId: row.firstJobId === null ? null : showId('j', row.firstJobId),
  outcome: shortOutcome(row),
  earlier: row.earlier,
})

const shortOutcome = ({ taskId, firstJobId, attempt, state, isShort, result, cause, error }: store.JournalRow) => {
  if (!isShort || !state || !(jobEnds as readonly string[]).includes(state)) return null
  const job = { id: firstJobId!, taskId: taskId!, index: 0, attempt: attempt!, state: state as JobEnd }
  return outcomeOf(job, { value: result, blob: null, bytes: null, cause, error })
}
