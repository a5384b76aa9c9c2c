/** `npm run reference`: writes the generated pages of docs/reference (the OpenAPI document, the faults, the metrics). `-- --check` only compares. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { faults } from '../src/contract/faults.ts'
import { openapi } from '../src/contract/openapi.ts'
import type { Catalogue } from '../src/lib/metrics.ts'
import { pilotMetrics } from '../src/pilot/metrics.ts'
import { serverMetrics } from '../src/services/engine/metrics.ts'

const { version } = JSON.parse(await readFile('package.json', 'utf8')) as { version: string }

const faultsPage = (): string =>
  [
    '# Errors',
    '',
    'Generated from `src/contract/faults.ts` by `npm run reference`; do not edit. Every error of the API is an RFC 9457 problem with one of these codes.',
    '',
    '| code | status | means | what helps |',
    '|---|---|---|---|',
    ...Object.entries(faults).map(
      ([code, { status, title, help }]) => `| \`${code}\` | ${status} | ${title} | ${help.replaceAll('|', '\\|')} |`,
    ),
    '',
  ].join('\n')

const metricsTable = (catalogue: Catalogue): string[] => [
  '| metric | kind | labels | what |',
  '|---|---|---|---|',
  ...Object.values(catalogue).map(
    ({ name, kind, labels, help }) =>
      `| \`${name}\` | ${kind} | ${labels.map((label) => `\`${label}\``).join(' ')} | ${help} |`,
  ),
]

const metricsPage = (): string =>
  [
    '# Metrics',
    '',
    'Generated from `src/services/engine/metrics.ts` and `src/pilot/metrics.ts` by `npm run reference`; do not edit. Each process tells also what Node and the system say of',
    'it (`process_*`, `nodejs_*`: CPU, memory, open files, lag of the event loop). How to read them: [observability](../operate/observability.md).',
    '',
    '## Servers and agents',
    '',
    ...metricsTable(serverMetrics),
    '',
    '## Pilots',
    '',
    ...metricsTable(pilotMetrics),
    '',
  ].join('\n')

const outputs = {
  'docs/reference/openapi.json': `${JSON.stringify(openapi(version), null, 1)}\n`,
  'docs/reference/errors.md': faultsPage(),
  'docs/reference/metrics.md': metricsPage(),
}

await mkdir('docs/reference', { recursive: true })
for (const [file, text] of Object.entries(outputs)) {
  if ((await readFile(file, 'utf8').catch(() => '')) === text) continue
  if (process.argv.includes('--check')) {
    console.error(`${file} is stale: run npm run reference`)
    process.exitCode = 1
  } else await writeFile(file, text)
}
