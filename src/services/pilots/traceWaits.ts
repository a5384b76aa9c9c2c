import type { ClaimReply } from '../../contract/pilots.ts'
import { messageOf } from '../../lib/fault.ts'
import { readId } from '../../lib/ids.ts'
import { taskTimes } from '../../store/tasks.ts'
import type { Engine } from '../engine/engine.ts'

/** How long the jobs of a claim have waited, as spans of the traces of their tasks. Asks the database only where somebody collects, and holds nobody up. */
export const traceWaits = (engine: Engine, { jobs, tasks }: ClaimReply): void => {
  if (!engine.tracer.collects || tasks.every((task) => task.trace === undefined)) return
  const traced = new Map(
    tasks.flatMap((task) => (task.trace === undefined ? [] : [[task.taskId, task.trace] as const])),
  )
  const now = engine.clock()
  const ids = [...traced.keys()].map((id) => readId('t', id)!)
  taskTimes(engine.db, ids).then(
    (times) => {
      const createdAt = new Map(times.map(({ id, createdAt }) => [`t${id}`, createdAt]))
      for (const { jobId, taskId, attempt } of jobs) {
        const parent = traced.get(taskId)
        if (!parent) continue
        const attributes = { 'culm.task': taskId, 'culm.job': jobId, 'culm.attempt': attempt }
        engine.tracer.start('culm.wait', { parent, attributes, at: createdAt.get(taskId) }).end({ at: now })
      }
    },
    (error) => engine.log.warn({ error: messageOf(error) }, 'waits of jobs were not traced'),
  )
}
