/**
 * `npm run fuzz [-- --cases N --seed S]`: schemathesis invents requests from the OpenAPI document against a whole system, as a user, as a pilot and as the
 * payload of a job, in rounds until N cases (10,000) were asked. Fails when an answer was a 5xx, had a status, type or schema that the document does not have,
 * when what is malformed was taken or what is well-formed refused for its form, and when the invariants of the database do not hold afterwards.
 */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { openDatabase, sql } from '../../src/store/db.ts'
import { brokenInvariants } from '../support/invariants.ts'
import { eventually, seed } from './seed.ts'
import { startSystem } from './system.ts'

const { values: given } = parseArgs({
  options: {
    cases: { type: 'string', default: '10000' },
    seed: { type: 'string', default: '1' },
    venv: { type: 'string', default: '.cache/venv' },
  },
})
const wanted = Number(given.cases)
const here = import.meta.dirname
const program = (name: string): string => path.join(given.venv, 'bin', name)
if (!existsSync(program('schemathesis'))) throw new Error(`no ${program('schemathesis')}: run scripts/test-setup.sh`)

/** Cases per operation in a round. More rounds of fewer, so that the last one does not overshoot by much. */
const casesPerOperation = 40

type Who = 'user' | 'pilot' | 'job'
type Operation = { operationId: string; 'x-who'?: Who[] }
type Document = { paths: Record<string, Record<string, Operation>> }
type Tally = Record<string, number>

const began = performance.now()
const system = await startSystem()
const db = openDatabase({ connectionString: system.databaseUrl }, { connections: 2 })
const total: Tally = {}
let failures = 0
try {
  const seeds = await seed(system, db)
  await writeFile(path.join(system.folder, 'known.json'), JSON.stringify(seeds.known))
  const document = (await (await fetch(`${system.url}/openapi.json`)).json()) as Document
  failures += await checkDocument(document)
  const tokens: Record<Who, string> = { user: system.userToken, pilot: system.pilotToken, job: seeds.jobToken }
  for (let round = 0; countOf(total) < wanted && failures === 0; round++)
    for (const who of Object.keys(tokens) as Who[])
      failures += await runRound({ who, token: tokens[who], operations: operationsFor(document, who), round })
  await seeds.stop()
  await system.stopPilot()
  failures += await checkInvariants()
  if (failures > 0) for (const line of await system.errors()) console.log(line)
} finally {
  await db.close()
  await system.stop()
}
report()

/** By the rules of OpenAPI 3.1 itself. */
async function checkDocument(document: Document): Promise<number> {
  const file = path.join(system.folder, 'openapi.json')
  await writeFile(file, JSON.stringify(document))
  const { status, stdout } = spawnSync(program('openapi-spec-validator'), [file], { encoding: 'utf8' })
  if (status !== 0) console.log(stdout)
  return status === 0 ? 0 : 1
}

type Round = { who: Who; token: string; operations: string[]; round: number }

async function runRound({ who, token, operations, round }: Round): Promise<number> {
  const tallyFile = path.join(system.folder, 'tally.json')
  const child = spawn(
    program('schemathesis'),
    [
      ...['--no-color', '--config-file', path.join(here, 'schemathesis.toml'), 'run', `${system.url}/openapi.json`],
      ...operations.flatMap((id) => ['--include-operation-id', id]),
      ...['-H', `Authorization: Bearer ${token}`, '--checks', 'all', '--seed', String(Number(given.seed) + round)],
      ...['--phases', round === 0 ? 'examples,coverage,fuzzing' : 'fuzzing', '-n', String(casesPerOperation)],
    ],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: {
        PATH: process.env.PATH,
        HOME: system.folder,
        LANG: 'C.UTF-8',
        PYTHONPATH: here,
        PYTHONDONTWRITEBYTECODE: '1',
        SCHEMATHESIS_HOOKS: 'hooks',
        CULM_FUZZ_KNOWN: path.join(system.folder, 'known.json'),
        CULM_FUZZ_TALLY: tallyFile,
      },
    },
  )
  let said = ''
  child.stdout.on('data', (chunk) => {
    said += chunk
  })
  const [code] = await once(child, 'close')
  const tally = JSON.parse(await readFile(tallyFile, 'utf8').catch(() => '{}')) as Tally
  await rm(tallyFile, { force: true })
  for (const [answer, n] of Object.entries(tally)) total[answer] = (total[answer] ?? 0) + n
  console.log(`round ${round + 1}, ${who}: ${countOf(tally)} cases${code === 0 ? '' : ', failed'}`)
  if (code !== 0) console.log(said)
  return code === 0 ? 0 : 1
}

/** What this kind of token may call; the addresses without a token are the user's. */
function operationsFor(document: Document, who: Who): string[] {
  const all = Object.values(document.paths).flatMap((item) => Object.values(item))
  const isFor = ({ 'x-who': whom }: Operation) => whom?.includes(who) ?? who === 'user'
  return all.filter(isFor).map((operation) => operation.operationId)
}

/** Once the counters are folded, all that was asked must have left the database sound. */
async function checkInvariants(): Promise<number> {
  await eventually(async () => (await db.rows(sql`select from task_delta limit 1`)).length === 0)
  const broken = await brokenInvariants(db)
  for (const line of broken) console.log(`broken: ${line}`)
  return broken.length
}

function countOf(tally: Tally): number {
  return Object.values(tally).reduce((sum, n) => sum + n, 0)
}

function report(): void {
  const byStatus: Tally = {}
  for (const [answer, n] of Object.entries(total)) {
    const status = answer.split(' ').at(-1)!
    byStatus[status] = (byStatus[status] ?? 0) + n
  }
  console.log(
    Object.entries(byStatus)
      .map(([status, n]) => `${status}: ${n}`)
      .join(', '),
  )
  const seconds = Math.round((performance.now() - began) / 1000)
  console.log(`${countOf(total)} cases in ${seconds} s: ${failures === 0 ? 'no failure' : `${failures} failures`}`)
  process.exitCode = failures === 0 ? 0 : 1
}
