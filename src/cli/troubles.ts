import type { Client } from '../contract/client.ts'
import type { TaskTrouble } from '../contract/troubles.ts'
import { naming, type Subject } from './ids.ts'
import type { Style } from './look/style.ts'
import { cutText, plainLine } from './look/textWidth.ts'

/** So many kinds are shown. */
const maxKinds = 3

/** Of a task, its failed attempts by kind, the most frequent first; workflows and jobs have none of their own. */
export const troublesOf = async (client: Client, { noun, id }: Subject): Promise<TaskTrouble[]> =>
  noun === 't' ? (await naming(id, client.call('taskTroubles', { params: { id } }))).items : []

/** `2 failed attempts (user), last j56: ValueError: bad cut`. */
export const troubleLines = (items: TaskTrouble[], indent: string, { columns, unicode }: Style): string[] =>
  items.slice(0, maxKinds).map(({ attempts, cause, jobId, text }) => {
    const failed = attempts === 1 ? '1 failed attempt' : `${attempts} failed attempts`
    return cutText(`${indent}${failed} (${cause}), last ${jobId}: ${plainLine(text)}`, columns, unicode ? '…' : '~')
  })
