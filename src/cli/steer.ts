import { Command } from 'commander'
import type { Client } from '../contract/client.ts'
import type { Touches } from '../contract/workflows.ts'
import type { Cli } from './cli.ts'
import { eachSubject } from './eachSubject.ts'
import { UsageError } from './errors.ts'
import { naming, type Subject, subjectOf } from './ids.ts'

export const pauseCommand = (cli: Cli): Command =>
  steering(cli, 'pause', 'begin nothing more of workflows or tasks until they are resumed; what runs may end', {
    act: (client, { noun, id }, body) =>
      noun === 'w'
        ? client.call('pauseWorkflow', { params: { id }, body, repeat: true })
        : client.call('pauseTask', { params: { id }, body, repeat: true }),
    says: (n) => `paused; ${waiting(n)} until it is resumed`,
  })

export const resumeCommand = (cli: Cli): Command =>
  steering(cli, 'resume', 'let workflows or tasks go on that were paused', {
    act: (client, { noun, id }, body) =>
      noun === 'w'
        ? client.call('resumeWorkflow', { params: { id }, body })
        : client.call('resumeTask', { params: { id }, body }),
    says: (n) => `goes on; ${waiting(n)} to begin`,
  })

export const finishCommand = (cli: Cli): Command =>
  steering(cli, 'finish', 'cancel what has not begun of workflows or tasks, and let end what runs', {
    act: (client, { noun, id }, body) =>
      noun === 'w'
        ? client.call('finishWorkflow', { params: { id }, body })
        : client.call('finishTask', { params: { id }, body }),
    says: (n) => `begins nothing more; ${jobs(n)} cancelled`,
  })

export const priorityCommand = (cli: Cli): Command =>
  new Command('priority')
    .description('change the priority of workflows or tasks, for what of them waits')
    .argument('<priority>', '0 to 8000, more is sooner; 1000 is usual')
    .argument('<id...>', 'w12 or t34')
    .option('--why <text>', 'a reason, for those who look at it later')
    .action((text: string, texts: string[], { why }: { why?: string }) => {
      const priority = priorityIn(text)
      return eachSteered(cli, 'priority', texts, {
        act: (client, { noun, id }) => {
          const body = { priority, why }
          return noun === 'w'
            ? client.call('prioritiseWorkflow', { params: { id }, body, repeat: true })
            : client.call('prioritiseTask', { params: { id }, body, repeat: true })
        },
        says: (n) => `priority ${priority}; ${waiting(n)}`,
      })
    })

const mostPriority = 8000

const priorityIn = (text: string): number => {
  if (/^\d{1,4}$/.test(text) && Number(text) <= mostPriority) return Number(text)
  throw new UsageError(
    `"${text}" is not a priority: that is a whole number from 0 to ${mostPriority}`,
    'culm priority --help',
  )
}

type Steered = Exclude<Subject, { noun: 'j' }>
type Steering = {
  act: (client: Client, subject: Steered) => Promise<{ touches: Touches }>
  /** Of so many jobs that wait. */
  says: (n: number) => string
}

type WithReason = Pick<Steering, 'says'> & {
  act: (client: Client, subject: Steered, body: { why?: string }) => Promise<{ touches: Touches }>
}

const steering = (cli: Cli, verb: string, description: string, { act, says }: WithReason): Command =>
  new Command(verb)
    .description(description)
    .argument('<id...>', 'w12 or t34')
    .option('--why <text>', 'a reason, for those who look at it later')
    .action((texts: string[], { why }: { why?: string }) =>
      eachSteered(cli, verb, texts, { act: (client, subject) => act(client, subject, { why }), says }),
    )

const eachSteered = (cli: Cli, verb: string, texts: string[], { act, says }: Steering): Promise<void> => {
  for (const text of texts) steered(subjectOf(text), verb)
  return eachSubject(cli, texts, {
    verb,
    act: (client, subject) => naming(subject.id, act(client, steered(subject, verb))),
    sentence: ({ id, touches }) => `${id}: ${says(touches.jobs.total)}`,
  })
}

const steered = (subject: Subject, verb: string): Steered => {
  if (subject.noun !== 'j') return subject
  throw new UsageError(`${subject.id} is a job, and what can be asked for is a workflow or task`, `culm ${verb} --help`)
}

const jobs = (n: number): string => `${n} ${n === 1 ? 'job' : 'jobs'}`
const waiting = (n: number): string => `${jobs(n)} ${n === 1 ? 'waits' : 'wait'}`
