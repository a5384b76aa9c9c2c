import { Command } from 'commander'
import type { Client } from '../contract/client.ts'
import type { Cli } from './cli.ts'
import { eachSubject } from './eachSubject.ts'
import { naming, type Subject } from './ids.ts'

export const retryCommand = (cli: Cli): Command =>
  new Command('retry')
    .description('run again what failed or was cancelled of workflows, tasks or jobs, and what was cancelled for it')
    .argument('<id...>', 'w12, t34 or j56')
    .option('--why <text>', 'a reason, for those who look at it later')
    .action((texts: string[], { why }: { why?: string }) =>
      eachSubject(cli, texts, {
        verb: 'retry',
        act: (client, subject) => retry(client, subject, why),
        sentence: async (done, client, subject) => sentenceOf(done, await continuation(client, subject)),
      }),
    )

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
