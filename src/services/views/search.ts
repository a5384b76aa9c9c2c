import { type Hit, maxErrorsRead, maxHits, minErrorText } from '../../contract/search.ts'
import { type Noun, readId, showId } from '../../lib/ids.ts'
import type { Db } from '../../store/db.ts'
import * as store from '../../store/search.ts'
import type { Principal } from '../access/authenticate.ts'
import { experimentOf } from '../access/rights.ts'
import type { Engine } from '../engine/engine.ts'

/** What is looked for, and in whose experiment. */
type Asked = { experimentId: number; text: string }

/** One way to find something; each gives a few of the kinds that it knows. */
type Source = (db: Db, asked: Asked) => Promise<Hit[]>

/** Anything by its id, its name, a label, or what an error says. */
export const search = async (engine: Engine, principal: Principal, q: string): Promise<{ items: Hit[] }> => {
  const asked = { experimentId: experimentOf(principal), text: q.trim() }
  if (asked.text === '') return { items: [] }
  const found = await Promise.all(sources.map((source) => source(engine.db, asked)))
  return { items: found.flat() }
}

const byId: Source = async (db, { experimentId, text }) => {
  const number = (noun: Noun) => readId(noun, text) ?? 0
  const [workflow, task, job, trouble] = [number('w'), number('t'), number('j'), number('e')]
  return [
    ...(workflow ? hitsOf('workflow', 'w', await store.workflowHits(db, experimentId, [workflow])) : []),
    ...(task ? hitsOf('task', 't', await store.taskHits(db, experimentId, [task])) : []),
    ...(job ? hitsOf('job', 'j', await store.jobHit(db, experimentId, job)) : []),
    ...(trouble ? hitsOf('trouble', 'e', await store.troubleHit(db, experimentId, trouble)) : []),
  ]
}

/** Workflows by the begin of their name, then by their labels. */
const workflows: Source = async (db, asked) => {
  const named = await store.workflowIdsNamed(db, asked.experimentId, beginningWith(asked.text.toLowerCase()), maxHits)
  const labelled = await labelledOf(db, asked, 'workflow')
  const ids = idsOf(named, labelled)
  return hitsOf('workflow', 'w', await store.workflowHits(db, asked.experimentId, ids), ids, labelled)
}

const tasks: Source = async (db, asked) => {
  const named = await store.taskIdsNamed(db, asked.experimentId, beginningWith(asked.text.toLowerCase()), maxHits)
  const labelled = await labelledOf(db, asked, 'task')
  const ids = idsOf(named, labelled)
  return hitsOf('task', 't', await store.taskHits(db, asked.experimentId, ids), ids, labelled)
}

/** Queues and pilots serve all experiments, and are for all to see. */
const queues: Source = async (db, { text }) =>
  hitsOf('queue', null, await store.queueHits(db, text.toLowerCase(), maxHits))

const pilots: Source = async (db, { text }) => {
  const id = readId('p', text) ?? null
  if (id !== null && id > 2 ** 31 - 1) return []
  return hitsOf('pilot', 'p', await store.pilotHits(db, text.toLowerCase(), id, maxHits))
}

const users: Source = async (db, { experimentId, text }) =>
  hitsOf('user', null, await store.userHits(db, experimentId, text.toLowerCase(), maxHits))

/** Errors by what they say, in any case. */
const troubles: Source = async (db, { experimentId, text }) => {
  if (text.length < minErrorText) return []
  const asked = { experimentId, text: text.toLowerCase(), newest: maxErrorsRead, limit: maxHits }
  return hitsOf('trouble', 'e', await store.troubleHits(db, asked))
}

/** In the order in which they are shown. A further source is a line here, and a kind in the contract. */
const sources: Source[] = [byId, workflows, tasks, queues, pilots, users, troubles]

/** All texts that begin so: no character is above the last of Unicode. */
const beginningWith = (text: string): store.Between => ({ from: text, to: `${text}\u{10ffff}` })

const labelledOf = (db: Db, { experimentId, text }: Asked, noun: 'workflow' | 'task'): Promise<store.Labelled[]> => {
  const at = text.indexOf('=')
  const value = beginningWith(text.slice(at + 1))
  const asked = { experimentId, noun, value, limit: maxHits }
  return at > 0 ? store.labelledSo(db, { ...asked, name: text.slice(0, at) }) : store.labelledWith(db, asked)
}

const idsOf = (named: number[], labelled: store.Labelled[]): number[] =>
  [...new Set([...named, ...labelled.map(({ id }) => id)])].slice(0, maxHits)

/** In the order of `ids`, those that were found by a label with that. */
const hitsOf = (
  kind: Hit['kind'],
  noun: Noun | null,
  rows: store.HitRow[],
  ids: number[] = rows.map(({ id }) => id),
  labelled: store.Labelled[] = [],
): Hit[] => {
  const byId = new Map(rows.map((row) => [row.id, row]))
  const labels = new Map(labelled.map(({ id, name, value }) => [id, `${name}=${value}`]))
  return ids.flatMap((id) => {
    const row = byId.get(id)
    if (!row) return []
    const { name, owner, state } = row
    return [{ kind, id: noun && showId(noun, id), name, owner, state, label: labels.get(id) ?? null }]
  })
}
