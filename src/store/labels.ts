import { type Db, sql } from './db.ts'

export type Labels = Record<string, string>

export const lockWorkflowLabels = async (db: Db, id: number): Promise<Labels> =>
  (await db.row<{ labels: Labels }>(sql`select labels from workflow where id = ${id} for no key update`))!.labels

export const lockTaskLabels = async (db: Db, id: number): Promise<Labels> =>
  (await db.row<{ labels: Labels }>(sql`select labels from task where id = ${id} for no key update`))!.labels

type Change = { experimentId: number; id: number; before: Labels; after: Labels }

export const setWorkflowLabels = async (db: Db, change: Change): Promise<void> => {
  await db.run(sql`update workflow set labels = ${JSON.stringify(change.after)}::jsonb where id = ${change.id}`)
  await replaceRows(db, 'workflow', change)
}

export const setTaskLabels = async (db: Db, change: Change): Promise<void> => {
  await db.run(sql`update task set labels = ${JSON.stringify(change.after)}::jsonb where id = ${change.id}`)
  await replaceRows(db, 'task', change)
}

const replaceRows = async (db: Db, noun: 'workflow' | 'task', { experimentId, id, before, after }: Change) => {
  const [names, values] = [Object.keys(before), Object.values(before)]
  await db.run(sql`
    delete from label l using unnest(${names}::text[], ${values}::text[]) u(name, value)
    where l.experiment_id = ${experimentId} and l.noun = ${noun} and l.name = u.name and l.value = u.value and l.id = ${id}`)
  await db.run(sql`
    insert into label (experiment_id, noun, name, value, id)
    select ${experimentId}, ${noun}, u.name, u.value, ${id} from unnest(${Object.keys(after)}::text[], ${Object.values(after)}::text[]) u(name, value)`)
}
