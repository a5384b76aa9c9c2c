import type { Pilot, Queue } from '../../contract/pilots.ts'
import { showId } from '../../lib/ids.ts'
import { type PilotViewRow, pilotViews, queueViews } from '../../store/views.ts'
import type { Engine } from '../engine/engine.ts'
import { largestInteger, pageOf, readAfter } from './pages.ts'

export const listPilots = async (engine: Engine, q: { after?: string; limit: number }) => {
  const rows = await pilotViews(engine.db, readAfter(q.after, largestInteger, largestInteger), q.limit + 1)
  return pageOf(rows, q.limit, (row) => row.id, showPilot)
}

export const showPilot = (row: PilotViewRow): Pilot => ({
  ...row,
  id: showId('p', row.id),
  seenAt: row.seenAt.toISOString(),
  startedAt: row.startedAt.toISOString(),
})

export const listQueues = async (engine: Engine): Promise<{ items: Queue[] }> => ({
  items: (await queueViews(engine.db)).map(
    ({ environment, ...row }) => ({ ...row, environment: environment && JSON.parse(environment) }) as Queue,
  ),
})
