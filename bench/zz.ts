import { silentLog } from '../src/lib/log.ts'
import { startPostgres } from '../src/main/postgres/startPostgres.ts'
import { openDatabase, sql } from '../src/store/db.ts'
import * as store from '../src/store/graph.ts'
import { graphOf } from '../src/policy/graph/decide.ts'
import { usageRows } from '../src/store/usage.ts'
import { readdirSync } from 'node:fs'
import path from 'node:path'
const home = path.resolve('.cache/pages', readdirSync('.cache/pages')[0]!)
const pg = await startPostgres({ home, log: silentLog, durable: false })
const db = openDatabase({ ...pg.connection, database: 'pages' }, { connections: 4 })
const to = new Date(Math.ceil(Date.now() / 3600000) * 3600000), from = new Date(to.getTime() - 14 * 86400000)
for (let k = 0; k < 5; k++) { const t = performance.now(); const r = await usageRows(db, { experimentId: 1, from, to, unit: 'hour', by: 'queue', label: '', step: 'hour', groups: 20, limit: 21 * 368 }); console.log('usage', r.length, (performance.now() - t).toFixed(0)) }
const ids = await db.rows<{ id: number; n: number }>(sql`select workflow_id as id, tasks_total as n from workflow_count order by tasks_total desc limit 2`)
for (const { id, n } of ids) for (let k = 0; k < 6; k++) {
  const t0 = performance.now()
  const [tasks, edges, calls] = await Promise.all([store.graphTasks(db, id, 6000), store.graphEdges(db, id, 6000, 30000), store.graphCalls(db, id, 6000, 30000)])
  const t3 = performance.now()
  const made = graphOf({ tasks, edges, calls }, 5000)
  const t4 = performance.now()
  if (k > 3) console.log(id, n, 'sql', (t3 - t0).toFixed(1), 'graphOf', made.nodes.length, (t4 - t3).toFixed(1))
}
await db.close(); await pg.stop(); process.exit()
