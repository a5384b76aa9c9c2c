import { name as queueName } from '../../contract/base.ts'
import type { Environment } from '../../contract/environments.ts'
import { fault } from '../../contract/faults.ts'
import type { NewQueue, NewUser, User as UserView } from '../../contract/people.ts'
import * as store from '../../store/people.ts'
import { insertQueue, setQueueEnvironment } from '../../store/queues.ts'
import { type Engine, transact } from '../engine/engine.ts'
import { storedEnvironment } from '../environments.ts'
import type { Principal } from './authenticate.ts'
import { demandAdmin, demandOperator, userOnly } from './rights.ts'

export const listExperiments = async (engine: Engine, principal: Principal) => {
  const user = userOnly(principal)
  return { items: await store.experiments(engine.db, user.operator ? null : user.experimentId) }
}

/** A new tenant. Its first admin is added as a user of it. */
export const createExperiment = async (engine: Engine, principal: Principal, name: string) => {
  demandOperator(principal)
  const made = await store.insertExperiment(engine.db, name)
  if (!made) throw fault('name_taken', `there is an experiment ${name}`)
  return (await store.experiments(engine.db, made.id))[0]!
}

export const listUsers = async (engine: Engine, principal: Principal): Promise<{ items: UserView[] }> => {
  const user = userOnly(principal)
  const rows = await store.people(engine.db, { experimentId: user.operator ? null : user.experimentId, personId: null })
  return { items: rows.map(showUser) }
}

/** Adds a person, or a person who is there to one group more. Safe to repeat. */
export const addUser = async (engine: Engine, principal: Principal, wanted: NewUser): Promise<UserView> => {
  const experimentId =
    wanted.experiment === undefined
      ? userOnly(principal).experimentId
      : (await store.experimentNamed(engine.db, wanted.experiment))?.id
  demandAdmin(principal, experimentId)
  const { name, admin, group = null, role } = wanted
  const personId = await transact(engine, async (tx) => {
    const { id } = (await store.insertPerson(tx, { experimentId: experimentId!, name, admin, now: engine.clock() }))!
    await store.joinTeam(tx, { experimentId: experimentId!, personId: id, team: group, role })
    return id
  })
  return showUser((await store.people(engine.db, { experimentId: null, personId }))[0]!)
}

/** A queue is nobody's: pilots of it serve all experiments. */
export const createQueue = async (engine: Engine, principal: Principal, { name, site, environment }: NewQueue) => {
  demandOperator(principal)
  if (!(await insertQueue(engine.db, { name, site, environment: storedEnvironment(environment) })))
    throw fault('name_taken', `there is a queue ${name}`)
  await engine.lanes.refresh()
  return { name, site }
}

/** Where tasks run in a queue, in what they do not say themselves; an empty one says nothing. It holds for what is claimed from now on. */
export const setEnvironment = async (
  engine: Engine,
  principal: Principal,
  name: string,
  environment: Environment,
): Promise<{ name: string; environment: Environment | null }> => {
  demandOperator(principal)
  const stored = storedEnvironment(environment)
  if (!queueName.safeParse(name).success || !(await setQueueEnvironment(engine.db, name, stored)))
    throw fault('queue_unknown', `no queue is called ${name}`)
  await engine.lanes.refresh()
  return { name, environment: stored && JSON.parse(stored) }
}

const showUser = ({ name, experiment, groups, admin, operator }: store.PersonView): UserView => ({
  name,
  experiment,
  groups,
  roles: [...(admin ? (['admin'] as const) : []), ...(operator ? (['operator'] as const) : [])],
})
