/**
 * `npm run bench -- NAME [--json] [options]`: runs one bench, prints its table, and keeps it in bench/results/NAME[-VARIANT].md with versions and date. With --json the
 * last line is one JSON object.
 */
import { execFileSync } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { cpus, totalmem } from 'node:os'
import { prepare } from '../scripts/start.mjs'
import type { BenchResult } from './support.ts'

type Bench = { run: (options: Record<string, string | boolean>) => Promise<BenchResult> }

const benches: Record<string, () => Promise<Bench>> = {
  'life-cycle': () => import('./lifeCycle.ts'),
  graph: () => import('./graph.ts'),
  waiting: () => import('./waiting.ts'),
  servers: () => import('./servers.ts'),
  soak: () => import('./soak.ts'),
  pages: () => import('./pages.ts'),
  viewers: () => import('./viewers.ts'),
  page: () => import('./page.ts'),
  'call-latency': () => import('./callLatency.ts'),
  'python-calls': () => import('./pythonCalls.ts'),
  'function-peers': () => import('./functionPeers.ts'),
  'first-start': () => import('./firstStart.ts'),
  hpo: () => import('./hpo.ts'),
}

const [name, ...rest] = process.argv.slice(2)
const load = benches[name ?? '']
if (!name || !load) {
  console.error(`usage: npm run bench -- NAME [--json]\nbenches: ${Object.keys(benches).join(', ')}`)
  process.exit(2)
}

const optionsOf = (args: string[]): Record<string, string | boolean> =>
  Object.fromEntries(
    args
      .filter((a) => a.startsWith('--'))
      .map((a) => [a.slice(2).split('=')[0]!, a.includes('=') ? a.slice(a.indexOf('=') + 1) : true]),
  )

const table = ({ columns, rows }: BenchResult): string => {
  const line = (cells: (string | number)[]) => `| ${cells.join(' | ')} |`
  return [line(columns), line(columns.map(() => '---')), ...rows.map(line)].join('\n')
}

const machine = (): string =>
  [
    new Date().toISOString().slice(0, 10),
    `${cpus().length} cores (${cpus()[0]?.model.trim() ?? 'unknown'})`,
    `${Math.round(totalmem() / 2 ** 30)} GiB`,
    `Node ${process.versions.node}`,
    `commit ${execFileSync('git', ['rev-parse', '--short', 'HEAD']).toString().trim()}`,
  ].join(' · ')

await prepare()
const options = optionsOf(rest)
const result = await (await load()).run(options)
const page = `# ${result.title}\n\n${machine()}\n\n${table(result)}\n\n${(result.notes ?? []).map((note) => `${note}\n`).join('\n')}`
await mkdir('bench/results', { recursive: true })
await writeFile(`bench/results/${[name, ...(result.variant ? [result.variant] : [])].join('-')}.md`, page)
console.log(page)
if (options.json) console.log(JSON.stringify(result.json))
