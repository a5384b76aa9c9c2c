import { Command } from 'commander'
import type { Client } from '../contract/client.ts'
import type { Cli } from './cli.ts'
import { reportError } from './errors.ts'
import { naming, type Subject, subjectOf } from './ids.ts'

export const retryCommand = (cli: Cli): Command =>
  new Command('retry')
    .description('run again what failed or was cancelled of workflows, tasks or jobs, and what was cancelled for it')
    .argument('<id...>', 'w12, t34 or j56')
    .option('--why <text>', 'a reason, for those who look at it later')
    .action(async (texts: string[], { why }: { why?: string }) => {
      const subjects = texts.map(subjectOf)
      const client = await cli.client()
      const done: ({ id: string } & Retried)[] = []
      for (const subject of subjects) {
        try {
          const retried = { id: subject.id, ...(await retry(client, subject, why)) }
          done.push(retried)
          if (!cli.json) cli.print(sentenceOf(retried, await continuation(client, subject)))
        } catch (error) {
          cli.world.setExitCode(reportError(cli, error, 'retry'))
        }
      }
      if (cli.json) cli.printJson(done)
    })

type Retried = { retried: number }

const retry = (client: Client, { noun, id }: Subject, why?: string): Promise<Retried> => {
  const body = { why }
  switch (noun) {
    case 'w':
      return naming(id, client.call('retryWorkflow', { params: { id }, body, repeat: true }))
    case 't':
      return naming(id, client.call('retryTask', { params: { id }, body, repeat: true }))
    case 'j':
      return naming(id, client.call('retryJob', { params: { id }, body, repeat: true }))
  }
}

/** The command by which the program of a workflow goes on; none when it needs none. */
const continuation = async (client: Client, { noun, id }: Subject): Promise<string | null> => {
  if (noun !== 'w') return null
  const { state, remedy } = await client.call('explainWorkflow', { params: { id } })
  return state === 'paused' ? remedy : null
}

const sentenceOf = ({ id, retried }: { id: string } & Retried, command: string | null): string => {
  const begun = `${id}: ${retried} ${retried === 1 ? 'job runs' : 'jobs run'} again`
  return command ? `${begun}; its program goes on with: ${command}` : begun
}
