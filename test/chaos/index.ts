/**
 * `npm run chaos -- --minutes M [--seed S] [--report]`: a whole Culm of real processes under load, and for M minutes everything goes wrong with it that can, by a plan
 * that the seed makes. Then all faults end, all work must come to its end, and the invariants are read from the rows, from the history and from what the payloads
 * wrote. Exit code 1: something did not hold; what, with which seed, and where the logs lie is printed.
 *
 * Further options: `--pilots N` `--slots N` (of each pilot) `--workflows N` (at once) `--scale X` (size of a workflow) `--drain S` (time for everything to come to its end) `--only WORD,…` (kinds of faults) `--keep` (the
 * folder of a run that went well) `--no-build`.
 */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { prepare } from '../../scripts/start.mjs'
import { sleep } from '../../src/lib/clock.ts'
import { messageOf } from '../../src/lib/fault.ts'
import { files } from '../../src/main/files.ts'
import { sql } from '../../src/store/db.ts'
import { Drivers } from './drivers.ts'
import { eventually } from './eventually.ts'
import { keepEvidence } from './evidence.ts'
import { Stage } from './faults/fault.ts'
import { checkInvariants, type Finding } from './invariants.ts'
import { type PlannedFault, planFaults } from './plan.ts'
import { Programs } from './programs.ts'
import { seeded } from './random.ts'
import { figuresOf, pageOf } from './report.ts'
import { processesOf, World } from './world.ts'

const { values: given } = parseArgs({
  options: {
    minutes: { type: 'string', default: '5' },
    seed: { type: 'string' },
    pilots: { type: 'string', default: '4' },
    slots: { type: 'string', default: '350' },
    workflows: { type: 'string', default: '8' },
    scale: { type: 'string', default: '3' },
    // How long everything may take to come to its end once nothing goes wrong any more: work that was lost last sleeps once more.
    drain: { type: 'string', default: '240' },
    only: { type: 'string', default: '' },
    report: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
    'no-build': { type: 'boolean', default: false },
  },
})
const minutes = Number(given.minutes)
const drainSeconds = Number(given.drain)
const seed = Number(given.seed ?? Math.floor(Math.random() * 1e6))

if (!given['no-build']) await prepare()
const began = performance.now()
const say = (line: string) => console.error(`${((performance.now() - began) / 1000).toFixed(1).padStart(7)} s  ${line}`)

say(`seed ${seed}, ${minutes} minutes`)
const world = await World.start(
  { seed, servers: 2, agents: 2, pilots: Number(given.pilots), slots: Number(given.slots) },
  say,
)
say(`all processes are up; logs in ${world.folder}/logs`)
// Its reaper ends whatever runs of it.
process.on('SIGINT', () => process.exit(130))
process.on('SIGTERM', () => process.exit(143))

const drivers = new Drivers(world, { scale: Number(given.scale) })
const programs = new Programs(world)
const samples: number[] = []

const inFlight = async (): Promise<number> =>
  (await world.db.row<{ n: number }>(sql`select count(*)::int as n from held`))!.n

const broken = await run().catch((error) => {
  console.error(error)
  return [`the run itself failed: ${messageOf(error)}`]
})
await world.end()
for (const { pid, what } of processesOf(world.folder)) {
  broken.push(`a process is left: ${pid} ${what.slice(0, 200)}`)
  process.kill(pid, 'SIGKILL')
}
if (broken.length === 0) {
  if (!given.keep) rmSync(world.folder, { recursive: true, force: true })
  say('everything held')
} else {
  console.error(`\n${broken.slice(0, 100).join('\n')}`)
  console.error(
    `\n${broken.length} broken. Again: npm run chaos -- --minutes ${minutes} --seed ${seed}\nlogs: ${world.folder}`,
  )
}
process.exit(broken.length === 0 ? 0 : 1)

async function run(): Promise<string[]> {
  drivers.keep(Number(given.workflows))
  programs.keep(2)
  const full = Math.min(1000, Number(given.pilots) * Number(given.slots) * 0.7)
  await eventually(async () => (await inFlight()) >= full, `${full} jobs are in flight`, 180_000, 500)
  say(`${await inFlight()} jobs are in flight`)

  const sampling = setInterval(() => void sample(), 2000)
  await doPlan(planFaults(world, { seed, seconds: minutes * 60, only: given.only.split(',').filter(Boolean) }))
  clearInterval(sampling)

  say('no more faults; everything comes to its end')
  const from = performance.now()
  await Promise.all([drivers.finish(drainSeconds * 1000), programs.finish(drainSeconds * 1000)])
  await eventually(async () => (await inFlight()) === 0, 'nothing is held any more', 60_000, 500).catch((e) =>
    world.isWrong(e.message),
  )
  await eventually(
    async () => (await world.db.row(sql`select from task_delta limit 1`)) === undefined,
    'all changes are folded',
    30_000,
  ).catch((e) => world.isWrong(e.message))
  const drainedSeconds = (performance.now() - from) / 1000
  say(`it took ${drainedSeconds.toFixed(1)} s; ${drivers.ended} planned workflows, ${programs.ended} programs`)

  for (const name of await world.endProcesses()) world.isWrong(`${name} had to be killed at the end`)
  const findings = [...(await checkInvariants(world)), leftFolders(), failedRequests()]
  const figures = await figuresOf(world, { seed, minutes, drainedSeconds, nested: programs.ended, findings, samples })
  const page = pageOf(figures)
  console.log(page)
  writeFileSync(
    path.join(world.folder, 'figures.json'),
    JSON.stringify({ ...figures, incidents: world.incidents }, null, 1),
  )
  if (given.report) writeFileSync(path.join(files.root, 'bench/results/chaos.md'), page)
  const broken = [...world.wrong, ...findings.flatMap(examples)]
  if (broken.length > 0) await keepEvidence(world.db, path.join(world.folder, 'logs'))
  return broken
}

/** The first of what is broken: one cause breaks many. */
function examples({ what, broken }: Finding): string[] {
  const more = broken.length > 5 ? [`${what}: and ${broken.length - 5} more`] : []
  return [...broken.slice(0, 5).map((line) => `${what}: ${line}`), ...more]
}

async function sample(): Promise<void> {
  const n = await inFlight().catch(() => undefined)
  if (n !== undefined) samples.push(n)
}

/** Begins each fault at its time, whatever the others do; ends when all are over. */
async function doPlan(plan: PlannedFault[]): Promise<void> {
  say(`${plan.length} faults are planned`)
  const start = performance.now()
  const busy = new Set<string>()
  const acts: Promise<void>[] = []
  for (const { atSeconds, fault, seed } of plan) {
    await sleep(atSeconds * 1000 - (performance.now() - start))
    const stage = new Stage({ world, drivers, programs }, seeded(seed), busy)
    say(`${fault.kind} (${await inFlight().catch(() => '?')} in flight, ${world.wrong.length} wrong)`)
    acts.push(
      fault
        .act(stage)
        .catch((error) => void world.isWrong(`${fault.kind}: ${messageOf(error)}`))
        .finally(() => stage.release()),
    )
  }
  await sleep(minutes * 60_000 - (performance.now() - start))
  await Promise.all(acts)
}

/** Every pilot clears the working directories of its jobs when it ends. */
function leftFolders(): Finding {
  const living = world.pilots.map((p) => path.join(p.folder, 'jobs'))
  const broken = living.flatMap((folder) => {
    try {
      return readdirSync(folder).map((name) => `${path.join(folder, name)} is left`)
    } catch {
      return []
    }
  })
  return { what: 'no working directory is left', checked: living.length, broken }
}

/** Whatever is away, nobody is told that the server itself is wrong. */
function failedRequests(): Finding {
  const broken = new Map<string, number>()
  let checked = 0
  for (const server of world.servers)
    for (const line of readFileSync(server.logFile, 'utf8').split('\n')) {
      if (!line.includes('a request failed')) continue
      checked++
      const { code, route, error, cause } = JSON.parse(line) as Record<string, string>
      const what = `${code} at ${route}: ${error} (${cause})`
      if (code === 'internal') broken.set(what, (broken.get(what) ?? 0) + 1)
    }
  return {
    what: 'no request failed for a reason of the server’s own',
    checked,
    broken: [...broken].map(([what, n]) => `${what} (${n} times)`),
  }
}
