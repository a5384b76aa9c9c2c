import { type Db, sql } from './db.ts'

export type HistoryRow = {
  xid: string
  seq: number
  at: Date
  noun: 'workflow' | 'task' | 'job' | 'pilot'
  id: number
  workflowId: number
  from: string | null
  to: string
  trigger: string
  why: string | null
}

/** A place in the history before which nothing can appear any more, and after which nothing has been read. */
export type Horizon = { xid: string; seq: number }

/** The safe horizon: all transactions below this one have ended. */
export const readHorizon = async (db: Db): Promise<Horizon> => ({
  xid: (await db.row<{ xid: string }>(sql`select pg_snapshot_xmin(pg_current_snapshot())::text as xid`))!.xid,
  seq: 0,
})

export type EndedJob = { xid: string; seq: number; id: number; workflowId: number }

/** Jobs of these workflows that have ended between two places. */
export const endedBetween = (
  db: Db,
  workflowIds: number[],
  ends: string[],
  from: Horizon,
  until: Horizon,
  limit: number,
) =>
  db.rows<EndedJob>(sql`
    select xid::text as xid, seq, id, workflow_id as "workflowId"
    from history
    where (xid, seq) > (${from.xid}::text::xid8, ${from.seq}::bigint) and xid < ${until.xid}::text::xid8
      and noun = 'job' and to_state = any(${ends}::text[]) and workflow_id = any(${workflowIds}::bigint[])
    order by xid, seq limit ${limit}`)

/** What happened in one workflow from `from` on, and of its jobs which ended: where a stream resumes. */
export const historyOfWorkflowSince = (db: Db, workflowId: number, ends: string[], from: Horizon, limit: number) =>
  db.rows<HistoryRow>(sql`
    select xid::text as xid, seq, at, noun, id, workflow_id as "workflowId", from_state as "from", to_state as "to", trigger, why
    from history
    where workflow_id = ${workflowId} and (noun <> 'job' or to_state = any(${ends}::text[]))
      and (xid, seq) > (${from.xid}::text::xid8, ${from.seq}::bigint) and xid < pg_snapshot_xmin(pg_current_snapshot())
    order by xid, seq limit ${limit}`)

/** The story of one job, oldest first. */
export const storyOfJob = (db: Db, id: number, afterSeq: number, limit: number) =>
  db.rows<HistoryRow>(sql`
    select xid::text as xid, seq, at, noun, id, workflow_id as "workflowId", from_state as "from", to_state as "to", trigger, why
    from history where noun = 'job' and id = ${id} and seq > ${afterSeq} order by seq limit ${limit}`)

/** The story of a workflow and its tasks. */
export const storyOfWorkflow = (db: Db, workflowId: number, afterSeq: number, limit: number) =>
  db.rows<HistoryRow>(sql`
    select xid::text as xid, seq, at, noun, id, workflow_id as "workflowId", from_state as "from", to_state as "to", trigger, why
    from history where workflow_id = ${workflowId} and noun <> 'job' and seq > ${afterSeq} order by seq limit ${limit}`)
