import type { Environment } from '../../contract/environments.ts'
import type { QueueState } from '../../domain/queue/states.ts'
import type { Bell } from '../../lib/wake.ts'
import type { QueueFacts } from '../../policy/broker/decide.ts'
import type { LaneFacts } from '../../policy/share/plan.ts'
import type { Db } from '../../store/db.ts'
import { allLanes, allQueues, ensureLane, type LaneRow, lanesWithWork } from '../../store/lanes.ts'
import type { BellKey } from './engine.ts'

/** What each job of a lane asks for. */
export type Size = Pick<LaneRow, 'cores' | 'memoryMb' | 'gpus'>

type Lane = LaneRow & { low: number; mayHaveWork: boolean; enqueuedAt: number }

/**
 * The lanes, kept in memory with two hints each: up to which rank all is claimed (`low`), and whether there may be work at all. Hints are only
 * ever wrong for a second: `refresh`, called once a second, looks again from the bottom, which also finds what other servers enqueued.
 */
export class Lanes {
  #db: Db
  #bell: Bell<BellKey>
  #lanes = new Map<number, Lane>()
  #byQueue = new Map<number, Lane[]>()
  #queues: QueueFacts[] = []
  #environments = new Map<number, Environment>()
  #tick = 0

  constructor(db: Db, bell: Bell<BellKey>) {
    this.#db = db
    this.#bell = bell
  }

  get queues(): readonly QueueFacts[] {
    return this.#queues
  }

  /** Where tasks run in this queue, in what they do not say themselves. */
  environmentOf(queueId: number): Environment | undefined {
    return this.#environments.get(queueId)
  }

  /** Reads lanes and queues again and rings for those with work. */
  async refresh(): Promise<void> {
    for (const row of await allLanes(this.#db)) this.#add(row)
    const queues = await allQueues(this.#db)
    this.#queues = queues.map(({ id, name, site, state }) => ({
      ...{ id, name, site },
      state: state as QueueState,
      maxSlots: null,
    }))
    this.#environments = new Map(
      queues.flatMap(({ id, environment }) => (environment ? [[id, JSON.parse(environment)]] : [])),
    )
    const ids = [...this.#lanes.keys()]
    for (const { id } of ids.length > 0 ? await lanesWithWork(this.#db, ids) : []) this.enqueued(id, 0)
  }

  /** Work of that rank came into the lane: whoever waits for it is woken. */
  enqueued(laneId: number, leastRank: number): void {
    const lane = this.#lanes.get(laneId)
    if (lane) {
      lane.mayHaveWork = true
      lane.enqueuedAt = ++this.#tick
      if (leastRank <= lane.low) lane.low = 0
    }
    this.#bell.ring(`lane:${laneId}`)
  }

  /** Before a claim looks: what is enqueued after this is not known to it, and its hints must not undo that. */
  get tick(): number {
    return this.#tick
  }

  /** A claim that began at `tick` took up to that rank; `emptied`: and there was nothing more. */
  claimed(
    laneId: number,
    { highestRank = 0, emptied, tick }: { highestRank?: number; emptied: boolean; tick: number },
  ): void {
    const lane = this.#lanes.get(laneId)
    if (!lane || lane.enqueuedAt > tick) return
    lane.low = emptied ? 0 : Math.max(lane.low, highestRank)
    lane.mayHaveWork = !emptied
  }

  mayHaveWork(laneId: number): boolean {
    return this.#lanes.get(laneId)?.mayHaveWork ?? true
  }

  /** What a job of this lane asks for, and where it may run. */
  facts(laneId: number): Pick<LaneRow, 'queueIds' | keyof Size> | undefined {
    return this.#lanes.get(laneId)
  }

  /** The same of a lane that must be there: another process may have made it a moment ago. */
  async known(laneId: number): Promise<Pick<LaneRow, 'queueIds' | keyof Size>> {
    if (!this.#lanes.has(laneId)) await this.refresh()
    return this.#lanes.get(laneId)!
  }

  /** Lanes from which pilots of the queue take work, as the plan of a claim sees them. */
  ofQueue(queueId: number): (LaneFacts & { purpose: LaneRow['purpose'] })[] {
    return (this.#byQueue.get(queueId) ?? []).map((lane) => ({
      laneId: lane.id,
      cores: lane.cores,
      memoryMb: lane.memoryMb,
      gpus: lane.gpus,
      low: lane.low,
      mayHaveWork: lane.mayHaveWork,
      purpose: lane.purpose,
    }))
  }

  async workLane(queueIds: number[], size: Size): Promise<number> {
    const known = [...(this.#byQueue.get(queueIds[0]!) ?? [])].find(
      (l) =>
        l.purpose === 'work' &&
        l.cores === size.cores &&
        l.memoryMb === size.memoryMb &&
        l.gpus === size.gpus &&
        l.queueIds.length === queueIds.length &&
        l.queueIds.every((q, i) => q === queueIds[i]),
    )
    if (known) return known.id
    return this.#add(await ensureLane(this.#db, { purpose: 'work', queueIds, shareId: 1, ...size, pilotId: 0 })).id
  }

  /** Where the jobs of one pilot wait that awaited calls of their own and want their slot back. */
  async resumeLane(pilotId: number, queueId: number): Promise<number> {
    for (const lane of this.#lanes.values()) if (lane.purpose === 'resume' && lane.pilotId === pilotId) return lane.id
    return this.#add(
      await ensureLane(this.#db, {
        purpose: 'resume',
        queueIds: [queueId],
        shareId: 1,
        cores: 1,
        memoryMb: 0,
        gpus: 0,
        pilotId,
      }),
    ).id
  }

  #add(row: LaneRow): Lane {
    const known = this.#lanes.get(row.id)
    if (known) return known
    const lane: Lane = { ...row, low: 0, mayHaveWork: true, enqueuedAt: 0 }
    this.#lanes.set(row.id, lane)
    if (row.purpose !== 'resume')
      for (const queueId of row.queueIds) this.#byQueue.set(queueId, [...(this.#byQueue.get(queueId) ?? []), lane])
    this.#bell.ring('lanes')
    return lane
  }
}
