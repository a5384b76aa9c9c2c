import { execFileSync } from 'node:child_process'
import { cpus, totalmem } from 'node:os'
import { type Db, sql } from '../../src/store/db.ts'
import type { Finding } from './invariants.ts'
import type { World } from './world.ts'

export type Figures = {
  seed: number
  minutes: number
  drainedSeconds: number
  jobs: number
  workflows: number
  tasks: number
  nested: number
  attempts: Record<string, number>
  inFlight: { least: number; median: number; most: number }
  longestSilenceSeconds: number
  faults: { kind: string; n: number; longestSeconds: number; recoveredSeconds: [number, number] | null }[]
  proxies: Record<string, number>
  findings: Finding[]
  wrong: string[]
}

/** Reads the figures of a run that has come to its end. */
export const figuresOf = async (
  world: World,
  given: Pick<Figures, 'seed' | 'minutes' | 'drainedSeconds' | 'nested' | 'findings'> & { samples: number[] },
): Promise<Figures> => {
  const { db } = world
  const { samples, ...rest } = given
  const counts = (await db.row<{ jobs: number; workflows: number; tasks: number }>(sql`
    select (select count(*)::int from job) as jobs, (select count(*)::int from workflow) as workflows, (select count(*)::int from task) as tasks`))!
  const sorted = [...samples].sort((a, b) => a - b)
  return {
    ...rest,
    ...counts,
    attempts: await attemptsByEnd(db),
    inFlight: { least: sorted[0] ?? 0, median: sorted[sorted.length >> 1] ?? 0, most: sorted.at(-1) ?? 0 },
    longestSilenceSeconds: await longestSilence(db),
    faults: faultsByKind(world),
    proxies: proxyCounts(world),
    wrong: world.wrong,
  }
}

const attemptsByEnd = async (db: Db): Promise<Record<string, number>> =>
  Object.fromEntries(
    (
      await db.rows<{ what: string; n: number }>(sql`
        select ending || case
            when ending = 'finished' then ''
            when cause = 'user' then ' (user)'
            else coalesce(' (' || nullif(cause, ending) || ')', '') || ': ' || left(regexp_replace(error::jsonb ->> 'message', '[0-9][0-9T:.Z-]*', 'N', 'g'), 120) end as what, count(*)::int as n
        from attempt group by 1 order by 2 desc`)
    ).map(({ what, n }) => [what, n]),
  )

/** The longest time in which no job finished, s. */
const longestSilence = async (db: Db): Promise<number> =>
  (
    await db.row<{ s: number }>(sql`
      select coalesce(max(gap), 0)::float8 as s from (
        select extract(epoch from at - lag(at) over (order by at)) as gap from history where noun = 'job' and to_state = 'finished') g`)
  )?.s ?? 0

const faultsByKind = ({ incidents }: World): Figures['faults'] =>
  [...new Set(incidents.map((i) => i.kind))].sort().map((kind) => {
    const ofKind = incidents.filter((i) => i.kind === kind)
    const recovered = ofKind.flatMap((i) => i.recoveredMs ?? []).sort((a, b) => a - b)
    return {
      kind,
      n: ofKind.length,
      longestSeconds: Math.max(...ofKind.map((i) => ((i.to ?? i.from) - i.from) / 1000)),
      recoveredSeconds:
        recovered.length > 0 ? [recovered[recovered.length >> 1]! / 1000, recovered.at(-1)! / 1000] : null,
    }
  })

const proxyCounts = ({ driverProxy, pilots, databaseProxy }: World): Record<string, number> => {
  const all = [driverProxy, ...pilots.map((p) => p.proxy)].map((proxy) => proxy.counts)
  const sum = (key: keyof (typeof all)[number]) => all.reduce((total, counts) => total + counts[key], 0)
  return {
    'requests through proxies': sum('requests'),
    'replies lost': sum('lost'),
    'replies torn': sum('torn'),
    'requests sent twice': sum('duplicated'),
    'replies of the database lost': databaseProxy.lost,
  }
}

export const pageOf = (figures: Figures): string => {
  const { seed, minutes, jobs, workflows, tasks, nested, inFlight, attempts } = figures
  return [
    '# Chaos',
    '',
    `${machine()}`,
    '',
    `\`npm run chaos -- --minutes ${minutes} --seed ${seed}\`: ${jobs} jobs of ${tasks} tasks and ${workflows} workflows, ${nested} of them workflow functions with nested works.`,
    `In flight in pilots: ${inFlight.median} (median; ${inFlight.least} to ${inFlight.most}). After the last fault all came to its end in ${figures.drainedSeconds.toFixed(0)} s.`,
    `The longest time without a result was ${figures.longestSilenceSeconds.toFixed(1)} s.`,
    '',
    table(
      ['fault', 'times', 'longest, s', 'back after, s: median', 'longest'],
      figures.faults.map((f) => [
        f.kind,
        f.n,
        f.longestSeconds.toFixed(1),
        f.recoveredSeconds?.[0].toFixed(1) ?? '',
        f.recoveredSeconds?.[1].toFixed(1) ?? '',
      ]),
    ),
    '',
    table(['attempts by end', 'n'], Object.entries(attempts)),
    '',
    table(['proxies', 'n'], Object.entries(figures.proxies)),
    '',
    table(
      ['what held', 'looked at', 'broken'],
      figures.findings.map((f) => [f.what, f.checked, f.broken.length]),
    ),
    '',
    ...(figures.wrong.length > 0
      ? ['What else went wrong:', '', ...figures.wrong.slice(0, 50).map((line) => `* ${line}`), '']
      : []),
  ].join('\n')
}

const table = (columns: string[], rows: (string | number)[][]): string =>
  [columns, columns.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')

const machine = (): string =>
  [
    new Date().toISOString().slice(0, 10),
    `${cpus().length} cores (${cpus()[0]?.model.trim() ?? 'unknown'})`,
    `${Math.round(totalmem() / 2 ** 30)} GiB`,
    `Node ${process.versions.node}`,
    `commit ${execFileSync('git', ['rev-parse', '--short', 'HEAD']).toString().trim()}`,
  ].join(' · ')
