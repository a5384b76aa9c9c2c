import { fault } from '../contract/faults.ts'
import { Fault } from '../lib/fault.ts'
import type { Id } from '../lib/ids.ts'
import { readId } from '../lib/ids.ts'

/** An id that a person typed, by its noun. */
export type Subject = { noun: 'w'; id: Id<'w'> } | { noun: 't'; id: Id<'t'> } | { noun: 'j'; id: Id<'j'> }

/** @throws `invalid_id` for what is not the id of a workflow, task or job. */
export const subjectOf = (text: string): Subject => {
  const noun = text[0]
  if ((noun === 'w' || noun === 't' || noun === 'j') && readId(noun, text) !== undefined)
    return { noun, id: text } as Subject
  throw fault('invalid_id', `"${text}" is not the id of a workflow, task or job`)
}

/** What the server says of an id that it does not know, with the id. */
export const naming = async <T>(id: string, asked: Promise<T>): Promise<T> => {
  try {
    return await asked
  } catch (error) {
    if (error instanceof Fault && /^(workflow|task|job)_unknown$/.test(error.code))
      throw new Fault(error.code, `there is no ${id}`, { data: error.data })
    throw error
  }
}
