import { randomBytes } from 'node:crypto'
import { fault } from '../../contract/faults.ts'
import { type GivenSecret, maxSecretBytes, type Secret, type WantedSecret } from '../../contract/secrets.ts'
import { messageOf } from '../../lib/fault.ts'
import { type SealingKey, seal, unseal } from '../../lib/sealed.ts'
import * as store from '../../store/secrets.ts'
import type { TaskFacts } from '../../store/tasks.ts'
import { type Engine, transact } from '../engine/engine.ts'
import type { Principal } from './authenticate.ts'
import { demandOperator, userOnly } from './rights.ts'

/** Sealed for one person under one name: copied to another row, it does not open. */
const bindingOf = ({ personId, name }: { personId: number; name: string }): string => `culm secret u${personId} ${name}`

export const setSecret = async (
  engine: Engine,
  principal: Principal,
  { name, value }: { name: string; value: string },
): Promise<Secret> => {
  const { personId } = userOnly(principal)
  const plain = Buffer.from(value, 'base64')
  if (plain.length > maxSecretBytes) throw fault('invalid_input', `body.value: more than ${maxSecretBytes} bytes`)
  const key = await newestKey(engine)
  const sealed = seal(key, bindingOf({ personId, name }), plain, randomBytes)
  const row = (await store.putSecret(engine.db, { personId, name, keyId: key.id, sealed, now: engine.clock() }))!
  return showSecret({ name, ...row })
}

/** Made when there is none at all. A server that lacks the key of another one must not begin with one of its own. */
const newestKey = async (engine: Engine): Promise<SealingKey> => {
  const [newest] = await engine.secretKeys.all()
  if (newest) return newest
  if ((await store.countOtherwiseSealed(engine.db, '')) > 0) throw fault('secret_key_missing')
  return engine.secretKeys.add()
}

export const listSecrets = async (engine: Engine, principal: Principal): Promise<{ items: Secret[] }> => ({
  items: (await store.secretsOf(engine.db, userOnly(principal).personId)).map(showSecret),
})

export const removeSecret = async (engine: Engine, principal: Principal, name: string): Promise<{ name: string }> => {
  if ((await store.deleteSecret(engine.db, userOnly(principal).personId, name)) === 0)
    throw fault('secret_unknown', `you have no secret ${name}`)
  return { name }
}

const showSecret = ({ name, createdAt, setAt }: { name: string; createdAt: Date; setAt: Date }): Secret => ({
  name,
  createdAt: createdAt.toISOString(),
  setAt: setAt.toISOString(),
})

const page = 100

/**
 * Seals everything with a new key, a page per transaction. As long as something bears an older key than the newest, no further one is made: so a rotation
 * that was interrupted is gone on with by asking for it again, and keys that are given from outside are rotated to as well.
 */
export const rotateSecrets = async (
  engine: Engine,
  principal: Principal,
): Promise<{ resealed: number; left: number }> => {
  demandOperator(principal)
  const newest = await newestKey(engine)
  const underWay = (await store.countOtherwiseSealed(engine.db, newest.id)) > 0
  const to = underWay ? newest : await engine.secretKeys.add()
  let resealed = 0
  for (let n = page; n === page; resealed += n) n = await resealPage(engine, to)
  return { resealed, left: await store.countOtherwiseSealed(engine.db, to.id) }
}

const resealPage = async (engine: Engine, to: SealingKey): Promise<number> => {
  const keys = await engine.secretKeys.all()
  return transact(engine, async (tx) => {
    const rows = await store.lockOtherwiseSealed(tx, to.id, page)
    for (const row of rows) {
      const plain = opened(keys, row)
      await store.reseal(tx, { ...row, keyId: to.id, sealed: seal(to, bindingOf(row), plain, randomBytes) })
      plain.fill(0)
    }
    return rows.length
  })
}

const opened = (keys: readonly SealingKey[], row: store.SecretRow): Buffer => {
  const key = keys.find(({ id }) => id === row.keyId)
  if (!key)
    throw fault('secret_key_missing', `${row.name} is sealed with the key ${row.keyId}, which this server has not`)
  return unseal(key, bindingOf(row), row.sealed)
}

/** What a task names must be there. A job passes on only what it was given itself: code that runs in it cannot get at its owner's other secrets. */
export const checkSecrets = async (
  engine: Engine,
  principal: Principal,
  wanted: readonly WantedSecret[],
): Promise<void> => {
  if (wanted.length === 0) return
  if (principal.kind === 'pilot') throw fault('forbidden', 'a pilot submits nothing')
  for (const { name, env, file } of wanted)
    if (env === undefined && file === undefined)
      throw fault('fields_disagree', `body.secrets: ${name} has neither env nor file`)
  for (const kind of ['env', 'file'] as const) {
    const given = wanted.flatMap((w) => w[kind] ?? [])
    if (new Set(given).size < given.length) throw fault('fields_disagree', `body.secrets: two have the same ${kind}`)
  }
  const names = [...new Set(wanted.map(({ name }) => name))]
  if (principal.kind === 'job') await checkPassedOn(engine, principal.taskId, names)
  const known = new Set((await store.secretsNamed(engine.db, principal.personId, names)).map(({ name }) => name))
  const missing = names.filter((name) => !known.has(name))
  if (missing.length > 0) throw fault('secret_unknown', `you have no secret ${missing.join(', ')}`, { missing })
}

const checkPassedOn = async (engine: Engine, taskId: number, names: string[]): Promise<void> => {
  const own = new Set(wantedIn((await engine.tasks.get([taskId])).get(taskId)).map(({ name }) => name))
  const others = names.filter((name) => !own.has(name))
  if (others.length > 0)
    throw fault(
      'forbidden',
      `a job passes on only secrets that it was given, not ${others.join(', ')}: name them for its own task too`,
    )
}

const wantedIn = (task: TaskFacts | undefined): WantedSecret[] => (task?.secrets ? JSON.parse(task.secrets) : [])

/** For the pilot that takes a job of this task. One that cannot be given comes with the reason, and its job fails by it: others of the claim go on. */
export const givenSecrets = async (engine: Engine, task: TaskFacts): Promise<GivenSecret[]> => {
  const wanted = wantedIn(task)
  const keys = await engine.secretKeys.all()
  const rows = await store.secretsNamed(engine.db, task.ownerId, [...new Set(wanted.map(({ name }) => name))])
  const byName = new Map(rows.map((row) => [row.name, row]))
  return wanted.map((one) => ({ ...one, ...valueIn(engine, keys, byName.get(one.name)) }))
}

const valueIn = (engine: Engine, keys: readonly SealingKey[], row: store.SecretRow | undefined) => {
  if (!row) return { value: null, problem: 'it was removed after the task had been submitted' }
  try {
    return { value: opened(keys, row).toString('base64') }
  } catch (error) {
    engine.log.error(
      { personId: row.personId, name: row.name, keyId: row.keyId, error: messageOf(error) },
      'a secret cannot be opened',
    )
    return { value: null, problem: 'the server cannot open it; its log says why' }
  }
}
