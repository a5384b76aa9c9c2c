import { Command } from 'commander'
import type { Client } from '../contract/client.ts'
import type { Explanation } from '../contract/jobs.ts'
import type { TaskTrouble } from '../contract/troubles.ts'
import type { Cli } from './cli.ts'
import { naming, type Subject, subjectOf } from './ids.ts'
import type { Style } from './look/style.ts'
import { plainText } from './look/textWidth.ts'
import { localTime } from './look/times.ts'
import { troubleLines, troublesOf } from './troubles.ts'

export const explainCommand = (cli: Cli): Command =>
  new Command('explain')
    .description('why a workflow, task or job is as it is, and what helps')
    .argument('<id>', 'w12, t34 or j56')
    .action(async (text: string) => {
      const [client, subject] = [await cli.client(), subjectOf(text)]
      const explanation = await explain(client, subject)
      if (cli.json) return cli.printJson(explanation)
      cli.print(...explanationLines(explanation, await troublesOf(client, subject), cli.style()))
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

const explanationLines = (explanation: Explanation, troubles: TaskTrouble[], style: Style): string[] => [
  ...reasonLines(explanation, `${style.colors.bold(explanation.subject)} is ${explanation.state}: `, style),
  ...troubleLines(troubles, '  ', style),
  ...remedyLines(explanation.remedy, style),
]

/** Why it is so, and what shows it. */
export const reasonLines = (
  { sentence, cause, state, evidence }: Explanation,
  lead: string,
  { colors }: Style,
): string[] => [
  `${lead}${readable(sentence)}${cause === state ? '' : colors.dim(` (${cause})`)}`,
  ...evidence.map((line) => `  ${readable(line)}`),
]

/** Times are told on the clock of the reader. */
const readable = (text: string): string =>
  plainText(text).replace(/\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g, (at) => localTime(at))

export const remedyLines = (remedy: string | null, { colors }: Style): string[] =>
  remedy ? [`${colors.green('try:')} ${remedy}`] : []
