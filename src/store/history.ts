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

/** Which jobs have ended, by workflow, and the place up to which that was looked at; null when there was nothing. */
export type Ended = { last: Horizon | null; rows: number; jobs: { workflowId: number; ids: number[] }[] }

/**
 * Jobs of these workflows that have ended between two places. Their numbers come as one text: most of them are known already, and are only to be crossed out. (The noun is a
 * parameter, so that the index of jobs' stories, which has another order, is no choice.)
 */
export const endedBetween = async (
  db: Db,
  workflowIds: number[],
  ends: string[],
  from: Horizon,
  until: Horizon,
  limit: number,
): Promise<Ended> => {
  const groups = await db.rows<{ workflowId: number; ids: string; rows: number; xid: string; seq: number }>(sql`
    with h as materialized (
      select xid, seq, id, workflow_id from history
      where (xid, seq) > (${from.xid}::text::xid8, ${from.seq}::bigint) and xid < ${until.xid}::text::xid8
        and noun = ${'job'} and to_state = any(${ends}::text[]) and workflow_id = any(${workflowIds}::bigint[])
      order by xid, seq limit ${limit}),
    last as materialized (select xid::text, seq from h order by h.xid desc, seq desc limit 1)
    select workflow_id as "workflowId", string_agg(id::text, ' ') as ids, count(*)::int as rows, (select xid from last) as xid, (select seq from last) as seq
    from h group by workflow_id`)
  return {
    last: groups[0] ? { xid: groups[0].xid, seq: groups[0].seq } : null,
    rows: groups.reduce((sum, { rows }) => sum + rows, 0),
    jobs: groups.map(({ workflowId, ids }) => ({ workflowId, ids: ids.split(' ').map(Number) })),
  }
}

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
