import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { JournalEntry } from '../../contract/workflows.ts'
import { Call } from '../call.ts'
import { driveIn } from '../context.ts'
import type { Definition } from '../definition.ts'
import { MapCall } from '../mapCall.ts'
import { memoryServer, turns } from '../testing/memoryServer.ts'
import { Replay } from './replay.ts'
import { Scope } from './scope.ts'
import { readSeen, seenText, type Told } from './seen.ts'
import { freeSlot } from './slot.ts'

const entry = (n: number, seen: string): JournalEntry => ({
  ...{ seq: n, key: `m#f:${n}`, seen, taskId: `t${n}`, value: null, jobs: 1, closed: true, firstJobId: null },
  outcome: null,
  earlier: false,
})

test('writes that repeat what others say are merged by their place, and one that says nothing says nothing', () => {
  const replay = new Replay([
    entry(1, '[0]'),
    entry(3, '[0,"t1","t2"]'),
    entry(2, '[0,"t1"]'),
    { ...entry(4, ''), seen: null },
  ])
  for (const key of ['m#f:1', 'm#f:4']) expect(replay.ask(key)).toBeDefined()
  expect(replay.next).toEqual({ source: 't1', what: 'all' })
  replay.advance()
  expect([replay.next, replay.due]).toEqual([undefined, 'm#f (number 3 of its kind)'])
  replay.ask('m#f:2')
  expect(replay.next).toEqual({ source: 't2', what: 'all' })
  replay.advance()
  expect(replay.isOver).toBe(false)
  replay.ask('m#f:3')
  expect([replay.isOver, replay.ask('m#f:1')]).toEqual([true, undefined])
})

test('what is from before a retry is known by its key, and has no order', () => {
  const before = (n: number, seen: string) => ({ ...entry(n, seen), earlier: true })
  const record = (key: string, value: string) => ({ ...before(0, '[0]'), key, value, taskId: null })
  const replay = new Replay([
    ...[before(1, '[0]'), before(2, '[0,"t1"]'), record('now:0', '1'), record('once f:0', '{"error":{}}')],
    entry(3, '[0,"t2"]'),
  ])
  expect([replay.ask('m#f:1'), replay.earlier('m#f:1')?.taskId]).toEqual([undefined, 't1'])
  expect([replay.earlier('now:0')?.value, replay.earlier('once f:0')]).toEqual(['1', undefined])
  expect([replay.next, replay.isOver]).toEqual([{ source: 't2', what: 'all' }, false])
  replay.advance()
  replay.ask('m#f:3')
  expect(replay.isOver).toBe(true)
  expect(new Replay([before(1, '[0,"t9"]')]).isOver).toBe(true)
})

test('a journal of a hundred thousand calls and as many outcomes of a map is replayed in seconds', () => {
  const size = 100_000
  const handed = Array.from({ length: size }, (_, index): Told => ({ source: 't0', what: 'one', index }))
  const entries = [
    entry(0, '[0]'),
    ...handed.map((_, n) => entry(n + 1, seenText(Math.max(0, n - 5), handed.slice(Math.max(0, n - 5), n + 1)))),
  ]
  const startedAt = performance.now()
  const replay = new Replay(entries)
  replay.ask('m#f:0')
  let wrong = 0
  for (let n = 0; n < size; n++) {
    if ((replay.next as { index: number } | undefined)?.index !== n) wrong++
    replay.advance()
    replay.ask(`m#f:${n + 1}`)
  }
  expect([wrong, replay.isOver]).toEqual([0, true])
  expect((performance.now() - startedAt) / 1000).toBeLessThan(10)
})

// The property: a program is the same program when it is killed and started again, at whatever moment.

let folder: string
let definition: Definition
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'culm-replay-'))
  const file = join(folder, 'works.mjs')
  await writeFile(file, `import { work } from 'culm'\nexport const f = work((x) => x)\n`)
  definition = { fn: () => {}, options: {}, site: { module: file, place: () => `${file}:2:18` } }
})
afterAll(() => rm(folder, { recursive: true, force: true }))

type Step =
  | { do: 'call' | 'failing' | 'later' | 'once' | 'random' | 'sleep' }
  | { do: 'hops' | 'timeout'; n: number }
  | { do: 'map'; how: 'await' | 'each' | 'settle' | 'calls'; n: number; fails: boolean }
  | { do: 'all' | 'race'; branches: Step[][] }

const { steps } = fc.letrec<{ steps: Step[]; step: Step }>((tie) => ({
  steps: fc.array(tie('step'), { maxLength: 4 }),
  step: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    { weight: 6, arbitrary: fc.record({ do: fc.constantFrom('call', 'failing', 'later', 'once', 'random', 'sleep') }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('hops'), n: fc.nat(4) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('timeout'), n: fc.constantFrom(0, 1, 2, 1000) }) },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant('map'),
        how: fc.constantFrom('await', 'each', 'settle', 'calls'),
        n: fc.nat(5),
        fails: fc.boolean(),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constantFrom('all', 'race'),
        branches: fc.array(tie('steps'), { minLength: 1, maxLength: 4 }),
      }),
    },
  ) as fc.Arbitrary<Step>,
}))

/** What a program learned, and how much it had been told by then. */
type Note = { what: string; at: number }

/**
 * Runs steps. What it calls with depends on all that any branch of the program was told before, and on the order of that. `inTime`: the waits, by their place, that were
 * over before their time-out. A replay is quicker than what it repeats, so that those time-outs do not fire in it.
 */
const program = (scope: Scope, story: Note[], inTime: Set<string>) => {
  const below = () => {}
  const background: Promise<unknown>[] = []
  const args = (kind: string) => [kind, story.length, story.at(-1)?.what ?? '']
  const called = (kind: string) => new Call({ definition, options: {}, args: args(kind), below })
  const note = (what: string) => void story.push({ what, at: scope.teller.log.position })
  const told = async (what: PromiseLike<unknown>) =>
    note(
      await what.then(
        (value) => JSON.stringify(value),
        (error) => `failed: ${error.message}`,
      ),
    )
  const mapped = (n: number, fails: boolean) => {
    const items = Array.from({ length: n }, (_, i) => args(`${fails && i % 2 === 1 ? 'failing' : 'item'} ${i}`))
    return new MapCall({ definition, options: {}, items, common: [], below })
  }
  const map = async ({ how, n, fails }: Step & { do: 'map' }) => {
    const call = mapped(n, fails)
    if (how === 'await') return told(call)
    if (how === 'settle') return told(call.settle().then((all) => all.map(({ state }) => state)))
    try {
      for await (const { index, value } of call) {
        note(`${index}: ${value}`)
        if (how === 'calls') background.push(told(called('of item')))
      }
    } catch (error) {
      note(`failed: ${(error as Error).message}`)
    }
  }
  const run = async (steps: Step[], place = ''): Promise<number> => {
    const later: Promise<unknown>[] = []
    for (const [nth, step] of steps.entries()) {
      if (step.do === 'call' || step.do === 'failing') await told(called(step.do))
      else if (step.do === 'later') later.push(told(called('later')))
      else if (step.do === 'once') await told(scope.record('once', () => JSON.stringify(Math.random())))
      else if (step.do === 'random') await told(scope.draws.number())
      else if (step.do === 'sleep') await told(scope.sleep(0))
      else if (step.do === 'hops') for (let i = 0; i < step.n; i++) await null
      else if (step.do === 'map') await map(step)
      else if (step.do === 'timeout') {
        const slow = told(called('slow'))
        background.push(slow)
        const timer = inTime.has(`${place}/${nth}`) ? new Promise<never>(() => {}) : turns(step.n)
        const isLate = await Promise.race([slow.then(() => false), timer.then(() => true)])
        if (!isLate) inTime.add(`${place}/${nth}`)
        // When it fires among what is told is no more than chance: only that it fired is known, by what was asked for then.
        if (isLate) await told(new Call({ definition, options: {}, args: ['instead'], below }))
      } else if (step.do === 'all' || step.do === 'race') {
        const branches = step.branches.map(async (branch, i) => {
          await run(branch, `${place}/${nth}.${i}`)
          return i
        })
        background.push(...branches)
        await (step.do === 'all' ? Promise.all(branches) : told(Promise.race(branches)))
      }
    }
    await Promise.all(later)
    return steps.length
  }
  return async (steps: Step[]) => {
    await run(steps)
    for (let n = 0; n < background.length; n++) await background[n]
    await told(called('last'))
  }
}

/** How much the program was told, as far as the journal knows. */
const recordedIn = (entries: readonly JournalEntry[]): number =>
  Math.max(0, ...entries.map(({ seen }) => readSeen(seen).from + readSeen(seen).tolds.length))

test('a program that is killed at any moments, and started again, asks for the same, and is told the same in the same order', async () => {
  let replayed = 0
  const lives = fc.array(fc.nat(80), { maxLength: 3 })
  const property = fc.asyncProperty(steps, lives, fc.infiniteStream(fc.nat(4)), async (steps, lives, chances) => {
    const resultOf = (text: string) => (text.includes('failing') ? undefined : JSON.stringify(text.length))
    const server = memoryServer({ delay: () => chances.next().value as number, resultOf })
    let known: Note[] = []
    const inTime = new Set<string>()
    for (const life of [...lives, Number.POSITIVE_INFINITY]) {
      const journal = structuredClone(server.entries)
      const story: Note[] = []
      const identity = { workflowId: 'w1', name: 'driver', epoch: 1, slot: freeSlot } as const
      const scope = new Scope({ ...identity, client: server.start(), journal, replaySeconds: 2, say: () => {} })
      const run = driveIn(scope, () => program(scope, story, inTime)(steps)).then(() => true)
      const hasEnded = await Promise.race([run, ...(Number.isFinite(life) ? [turns(life).then(() => false)] : [])])
      server.kill()
      const again = story.filter(({ at }) => at <= recordedIn(journal))
      const both = hasEnded ? known.length : Math.min(known.length, again.length)
      expect(again.slice(0, both)).toEqual(known.slice(0, both))
      if (hasEnded) expect(scope.divergence).toBeUndefined()
      if (hasEnded) break
      // Requests that were under way are still done, or not.
      await turns(10)
      const recorded = story.filter(({ at }) => at <= recordedIn(server.entries))
      if (recorded.length > known.length) known = recorded
      replayed += known.length
    }
    const keys = server.entries.map(({ key }) => key)
    expect(new Set(keys).size).toBe(keys.length)
  })
  await fc.assert(property, { numRuns: 100 })
  expect(replayed).toBeGreaterThan(100)
}, 60_000)
