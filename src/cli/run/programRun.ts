import { randomUUID } from 'node:crypto'
import { basename } from 'node:path'
import type { Client } from '../../contract/client.ts'
import type { Workflow } from '../../contract/workflows.ts'
import type { Cli } from '../cli.ts'
import { UsageError } from '../errors.ts'
import { firstFound } from '../firstFound.ts'
import { naming } from '../ids.ts'

export type RunOptions = {
  export?: string
  python?: string
  remote?: boolean
  continue?: string | true
  acceptCode?: boolean
}

/** The program that is run: a new one, or that of a workflow which is continued. `isRemote`: its workflow functions run as jobs. */
export type ProgramRun = { id: string; program: string; acceptCode: boolean; isRemote: boolean }

export const programRun = async (cli: Cli, client: Client, path: string, options: RunOptions): Promise<ProgramRun> => {
  const program = basename(path)
  const acceptCode = options.acceptCode === true
  const { name: owner } = await client.call('me')
  if (options.continue === undefined) {
    if (acceptCode) throw new UsageError('--accept-code goes with --continue', 'culm run --help')
    return { id: randomUUID(), program, acceptCode, isRemote: options.remote === true }
  }
  const workflow =
    options.continue === true ? await newestUnfinished(client, owner, program) : await named(client, options.continue)
  if (!workflow.run)
    throw new UsageError(`${workflow.id} was not started by a program that can be continued`, 'start the program anew')
  cli.note(`${workflow.id} is continued, which was ${workflow.state}`)
  return { id: workflow.run, program, acceptCode, isRemote: options.remote === true || workflow.kind === 'job' }
}

const named = async (client: Client, id: string): Promise<Workflow> => {
  if (!/^w[1-9]\d{0,14}$/.test(id))
    throw new UsageError(
      `--continue takes a workflow, such as w12, and not "${id}"`,
      'write the arguments of the function before it',
    )
  return naming(id, client.call('getWorkflow', { params: { id: id as `w${number}` } }))
}

const newestUnfinished = async (client: Client, owner: string, program: string): Promise<Workflow> => {
  const lists = await Promise.all(
    (['running', 'paused'] as const).map((state) =>
      firstFound((after) => client.call('listWorkflows', { query: { owner, program, state, limit: 1, after } })),
    ),
  )
  const [newest] = lists.flatMap(({ items }) => items).sort((a, b) => Number(b.id.slice(1)) - Number(a.id.slice(1)))
  if (newest) return newest
  throw new UsageError(`no workflow of ${program} is unfinished`, 'culm ls shows yours; --continue w12 names one')
}
