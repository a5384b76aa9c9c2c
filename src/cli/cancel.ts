import { Command } from 'commander'
import type { Client } from '../contract/client.ts'
import type { Cli } from './cli.ts'
import { eachSubject } from './eachSubject.ts'
import { naming, type Subject } from './ids.ts'

export const cancelCommand = (cli: Cli): Command =>
  new Command('cancel')
    .description('cancel workflows, tasks or jobs, with all that is under way of them')
    .argument('<id...>', 'w12, t34 or j56')
    .option('--why <text>', 'a reason, for those who look at it later')
    .action((texts: string[], { why }: { why?: string }) =>
      eachSubject(cli, texts, {
        verb: 'cancel',
        act: (client, subject) => cancel(client, subject, why),
        sentence: sentenceOf,
      }),
    )

type Cancelled = { cancelled: number; asked: number }

export const cancel = (client: Client, { noun, id }: Subject, why?: string): Promise<Cancelled> => {
  const body = { why }
  switch (noun) {
    case 'w':
      return naming(id, client.call('cancelWorkflow', { params: { id }, body, repeat: true }))
    case 't':
      return naming(id, client.call('cancelTask', { params: { id }, body, repeat: true }))
    case 'j':
      return naming(id, client.call('cancelJob', { params: { id }, body, repeat: true }))
  }
}

/** What an attached program had started, after Ctrl-C. */
export const cancelAll = async (client: Client, ids: readonly `w${number}`[]): Promise<void> => {
  // One that ended in this moment needs no cancelling, and a server that is away cannot be told: it sees that the driver has fallen silent.
  await Promise.allSettled(ids.map((id) => cancel(client, { noun: 'w', id }, 'interrupted at the keyboard')))
}

const sentenceOf = ({ id, cancelled, asked }: { id: string } & Cancelled): string => {
  const parts = [
    ...(cancelled > 0 ? [`${jobs(cancelled)} cancelled`] : []),
    ...(asked > 0 ? [`${jobs(asked)} asked to stop: they end when their pilot confirms`] : []),
  ]
  return `${id}: ${parts.join(', ') || 'cancelled; nothing of it was under way'}`
}

const jobs = (n: number): string => `${n} ${n === 1 ? 'job' : 'jobs'}`
