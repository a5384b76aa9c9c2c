import { mostInFrame, type TaskLine, type WorkflowLine } from '../../contract/frames.ts'
import { showId } from '../../lib/ids.ts'
import * as store from '../../store/frames.ts'
import { type Horizon, readHorizon } from '../../store/history.ts'
import type { Engine } from '../engine/engine.ts'
import { listPilots, listQueues } from '../views/places.ts'
import { showCounts, showWorkflowLine } from '../views/workflows.ts'

/** So much of the history is looked at for a frame; of more is told that there was more. */
const mostMoves = 5000

/** Counters are folded a moment after the move that they count, so what was moved is looked at for so long after it, ms. */
const settlingMs = 3000

/** Queues and pilots are the same for all experiments; they are looked at so often, ms. */
const placesMs = 1000

/** What is known of one experiment between frames: what to look at until when, and what was told of it last. */
type Watched = {
  workflows: Map<number, number>
  tasks: Map<number, number>
  told: Told
  finished: number
  failed: number
  /** There was more than fits. */
  isMore: boolean
  /** Something ended in the frame before: the next one says also that nothing did. */
  wasBusy: boolean
}

/** Lines as they were told last, by the id or name of what they are of: the JSON text that they are sent as. */
type Told = Map<string, string>

const nothing = { pilots: [] as string[], queues: [] as string[] }

/**
 * Makes the frames of this process: once for each experiment that somebody looks at, whoever and however many they are. What has changed is told by the history, which all
 * processes write; what it is now, by the counters.
 */
export class Frames {
  #engine: Engine
  #watched = new Map<number, Watched>()
  #place: Horizon | undefined
  #at = 0
  #placesAt = 0
  #told = { pilots: new Map<string, string>(), queues: new Map<string, string>() }

  constructor(engine: Engine) {
    this.#engine = engine
  }

  /** Sends one frame to those who look, if there is something to tell. */
  async send(): Promise<void> {
    const { viewers, db } = this.#engine
    const experiments = viewers.experiments
    for (const known of this.#watched.keys()) if (!experiments.includes(known)) this.#watched.delete(known)
    if (experiments.length === 0) return this.#rest()
    const now = this.#engine.clock()
    const horizon = await readHorizon(db)
    const from = this.#place ?? horizon
    const seconds = this.#place ? (now.getTime() - this.#at) / 1000 : 0
    this.#place = horizon
    this.#at = now.getTime()
    this.#note(await store.changedBetween(db, experiments, from, horizon, mostMoves), experiments)
    const places = await this.#changedPlaces()
    for (const experimentId of experiments) {
      const text = await this.#frameOf(this.#of(experimentId), places, now, seconds)
      if (text) viewers.send(experimentId, Buffer.from(`event: frame\ndata: ${text}\n\n`))
    }
  }

  /** Nobody looks: who comes next asks for everything himself. */
  #rest(): void {
    this.#place = undefined
    this.#placesAt = 0
    for (const told of Object.values(this.#told)) told.clear()
  }

  #of(experimentId: number): Watched {
    const known = this.#watched.get(experimentId)
    if (known) return known
    const fresh: Watched = {
      workflows: new Map(),
      tasks: new Map(),
      told: new Map(),
      finished: 0,
      failed: 0,
      // What happened while its first viewer came and asked for lists is in no frame.
      isMore: true,
      wasBusy: false,
    }
    this.#watched.set(experimentId, fresh)
    return fresh
  }

  #note(changes: store.ChangedWorkflow[], experiments: number[]): void {
    const until = this.#at + settlingMs
    for (const { experimentId, workflowId, tasks, finished, failed } of changes) {
      const watched = this.#of(experimentId)
      watched.workflows.set(workflowId, until)
      for (const id of tasks?.split(' ') ?? []) watched.tasks.set(Number(id), until)
      watched.finished += finished
      watched.failed += failed
    }
    // Whose moves they were that did not fit is not known.
    if (changes.reduce((sum, { rows }) => sum + rows, 0) >= mostMoves)
      for (const id of experiments) this.#of(id).isMore = true
  }

  async #frameOf(watched: Watched, places: typeof nothing, now: Date, seconds: number): Promise<string | undefined> {
    const workflows = await this.#changed(watched, 'workflows', workflowsNow)
    const tasks = await this.#changed(watched, 'tasks', tasksNow)
    const { finished, failed, isMore, wasBusy } = watched
    const isBusy = finished + failed > 0
    const lines = workflows.length + tasks.length + places.pilots.length + places.queues.length
    Object.assign(watched, { finished: 0, failed: 0, isMore: false, wasBusy: isBusy })
    if (lines === 0 && !isMore && !isBusy && !wasBusy) return undefined
    const rest = JSON.stringify({ at: now, ended: { seconds, finished, failed }, lookAgain: isMore })
    return `{"workflows":[${workflows}],"tasks":[${tasks}],"pilots":[${places.pilots}],"queues":[${places.queues}],${rest.slice(1)}`
  }

  /** Of the newest things to look at, those that are other than they were told last. */
  async #changed(
    watched: Watched,
    kind: 'workflows' | 'tasks',
    read: (engine: Engine, ids: number[]) => Promise<(WorkflowLine | TaskLine)[]>,
  ): Promise<string[]> {
    const looked = watched[kind]
    if (looked.size === 0) return []
    const ids = [...looked.keys()].sort((a, b) => b - a)
    if (ids.length > mostInFrame) watched.isMore = true
    const changed = changedIn(watched.told, await read(this.#engine, ids.slice(0, mostInFrame)), ({ id }) => id)
    for (const [id, until] of looked)
      if (until < this.#at) {
        looked.delete(id)
        watched.told.delete(showId(kind === 'workflows' ? 'w' : 't', id))
      }
    return changed
  }

  async #changedPlaces(): Promise<typeof nothing> {
    if (this.#at - this.#placesAt < placesMs) return nothing
    const isFirst = this.#placesAt === 0
    this.#placesAt = this.#at
    const pilots = (await listPilots(this.#engine, { limit: mostInFrame })).items
    const queues = (await listQueues(this.#engine)).items
    keepOnly(this.#told.pilots, new Set(pilots.map(({ id }) => id)))
    const changed = {
      pilots: changedIn(this.#told.pilots, pilots, ({ id }) => id),
      queues: changedIn(this.#told.queues, queues, ({ name }) => name),
    }
    return isFirst ? nothing : changed
  }
}

/** The texts of those lines that are other than they were told last; they have been told then. */
const changedIn = <Line>(told: Told, lines: Line[], keyOf: (line: Line) => string): string[] =>
  lines.flatMap((line) => {
    const text = JSON.stringify(line)
    if (told.get(keyOf(line)) === text) return []
    told.set(keyOf(line), text)
    return [text]
  })

const keepOnly = (told: Told, keys: ReadonlySet<string>): void => {
  for (const key of told.keys()) if (!keys.has(key)) told.delete(key)
}

const workflowsNow = async ({ db }: Engine, ids: number[]): Promise<WorkflowLine[]> =>
  (await store.workflowLines(db, ids)).map(showWorkflowLine)

const tasksNow = async ({ db }: Engine, ids: number[]): Promise<TaskLine[]> =>
  (await store.taskLines(db, ids)).map((row) => ({
    id: showId('t', row.id),
    workflowId: showId('w', row.workflowId),
    name: row.name,
    state: row.state,
    counts: showCounts(row, row.total),
  }))
