import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { type Db, type Sql, sql } from '../../src/store/db.ts'

/** What one needs to look at when something did not hold, since the database goes with the run: a file of JSON lines for each. */
export const keepEvidence = async (db: Db, folder: string): Promise<void> => {
  for (const [name, query] of Object.entries(evidence)) {
    const rows = await db.rows(query)
    writeFileSync(path.join(folder, `${name}.jsonl`), rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
  }
}

const evidence: Record<string, Sql> = {
  workflows: sql`select * from workflow order by id`,
  tasks: sql`select id, workflow_id, parent_job_id, name, state, closed, unmet, jobs, created_at, ended_at from task order by id`,
  jobsUnderWay: sql`
    select j.*, h.pilot_id, h.epoch, h.claim_seq, h.sent_at from job j left join held h on h.job_id = j.id
    where not j.state in ('finished', 'failed', 'cancelled', 'closed') order by j.id limit 5000`,
  held: sql`select * from held order by job_id`,
  ready: sql`select r.*, l.purpose, l.pilot_id from ready r join lane l on l.id = r.lane_id limit 5000`,
  timers: sql`select * from timer limit 5000`,
  pilots: sql`select * from pilot order by id`,
  historyOfOthers: sql`select * from history where noun <> 'job' order by seq`,
  attempts: sql`select * from attempt where ending <> 'finished' order by ended_at limit 20000`,
  historyOfRetried: sql`
    select h.* from history h join job j on j.id = h.id where h.noun = 'job' and (j.attempt > 1 or not j.state in ('finished', 'failed', 'cancelled'))
    order by h.id, h.seq limit 50000`,
}
