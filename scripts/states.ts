/**
 * `npm run states`: writes docs/reference/states.md and migrations/states.sql from the state tables. `npm run states -- --check` only compares.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { attemptEnds } from '../src/domain/job/causes.ts'
import { jobSentences, jobTable } from '../src/domain/job/states.ts'
import { pilotSentences, pilotTable, queueStates } from '../src/domain/queue/states.ts'
import { taskSentences, taskTable } from '../src/domain/task/states.ts'
import { workflowSentences, workflowTable } from '../src/domain/workflow/states.ts'

type AnyTable = Record<string, Record<string, string>>

const nouns = [
  { noun: 'workflow', table: workflowTable as AnyTable, sentences: workflowSentences as Record<string, string> },
  { noun: 'task', table: taskTable as AnyTable, sentences: taskSentences as Record<string, string> },
  { noun: 'job', table: jobTable as AnyTable, sentences: jobSentences as Record<string, string> },
  { noun: 'pilot', table: pilotTable as AnyTable, sentences: pilotSentences as Record<string, string> },
]

const page = (): string => {
  const parts = ['# States', '', 'Generated from `src/domain/*/states.ts` by `npm run states`; do not edit.', '']
  for (const { noun, table, sentences } of nouns) {
    parts.push(`## ${noun}`, '', '| state | means | leaves by |', '|---|---|---|')
    for (const [state, moves] of Object.entries(table)) {
      const exits = Object.entries(moves).map(([trigger, to]) => `${trigger} → ${to}`)
      parts.push(`| \`${state}\` | ${sentences[state]} | ${exits.join(' · ') || '(never)'} |`)
    }
    parts.push('', '```mermaid', 'stateDiagram-v2')
    for (const [state, moves] of Object.entries(table)) {
      const exits = Object.entries(moves)
      for (const to of new Set(exits.map(([, target]) => target)))
        parts.push(
          `  ${state} --> ${to}: ${exits
            .filter(([, target]) => target === to)
            .map(([trigger]) => trigger)
            .join(', ')}`,
        )
    }
    parts.push('```', '')
  }
  return parts.join('\n')
}

const check = (table: string, column: string, states: readonly string[]): string =>
  `alter table ${table} drop constraint if exists ${table}_${column}_check;\nalter table ${table} add constraint ${table}_${column}_check check (${column} in (${states.map((s) => `'${s}'`).join(', ')}));`

const constraints = (): string =>
  [
    '-- Generated from src/domain/*/states.ts by `npm run states`; applied whenever it changed.',
    ...nouns.map(({ noun, table }) => check(noun, 'state', Object.keys(table))),
    check('queue', 'state', queueStates),
    check('attempt', 'ending', attemptEnds),
    '',
  ].join('\n')

const outputs = { 'docs/reference/states.md': page(), 'migrations/states.sql': constraints() }

let stale = 0
await mkdir('docs/reference', { recursive: true })
for (const [file, text] of Object.entries(outputs)) {
  if ((await readFile(file, 'utf8').catch(() => '')) === text) continue
  if (process.argv.includes('--check')) {
    console.error(`${file} is stale: run npm run states`)
    stale++
  } else await writeFile(file, text)
}
process.exitCode = stale ? 1 : 0
