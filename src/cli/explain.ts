import { Command } from 'commander'
import type { Client } from '../contract/client.ts'
import type { Explanation } from '../contract/jobs.ts'
import type { Cli } from './cli.ts'
import { naming, type Subject, subjectOf } from './ids.ts'
import type { Style } from './look/style.ts'
import { plainText } from './look/textWidth.ts'

export const explainCommand = (cli: Cli): Command =>
  new Command('explain')
    .description('why a workflow, task or job is as it is, and what helps')
    .argument('<id>', 'w12, t34 or j56')
    .action(async (text: string) => {
      const explanation = await explain(await cli.client(), subjectOf(text))
      if (cli.json) cli.printJson(explanation)
      else cli.print(...explanationLines(explanation, cli.style()))
    })

export const explain = (client: Client, { noun, id }: Subject): Promise<Explanation> => {
  switch (noun) {
    case 'w':
      return naming(id, client.call('explainWorkflow', { params: { id } }))
    case 't':
      return naming(id, client.call('explainTask', { params: { id } }))
    case 'j':
      return naming(id, client.call('explainJob', { params: { id } }))
  }
}

const explanationLines = (
  { subject, state, cause, sentence, evidence, remedy }: Explanation,
  style: Style,
): string[] => {
  const { colors } = style
  return [
    `${colors.bold(subject)} is ${state}: ${plainText(sentence)} ${colors.dim(`(${cause})`)}`,
    ...evidence.map((line) => `  ${plainText(line)}`),
    ...remedyLines(remedy, style),
  ]
}

export const remedyLines = (remedy: string | null, { colors }: Style): string[] =>
  remedy ? [`${colors.green('try:')} ${remedy}`] : []
