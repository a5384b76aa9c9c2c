import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { JournalEntry } from '../../contract/workflows.ts'
import type { Fault } from '../../lib/fault.ts'
import { Arrivals } from '../arrivals.ts'
import { Replay } from './replay.ts'
import { freeSlot, jobSlot, type Slot } from './slot.ts'
import { Single } from './source.ts'
import { Teller } from './teller.ts'

const entry = (key: string, seen: string, taskId: `t${number}` | null = null): JournalEntry => ({
  ...{ seq: 0, key, seen, taskId, value: taskId ? null : '1', jobs: 1, closed: true, firstJobId: null, outcome: null },
  earlier: false,
})

const tellerOf = ({ slot = freeSlot, journal = [] as JournalEntry[], replaySeconds = 60 } = {}) => {
  const lines: string[] = []
  const faults: Fault[] = []
  const teller: Teller = new Teller({
    slot,
    replay: journal.length > 0 ? new Replay(journal) : undefined,
    replaySeconds,
    say: (line) => lines.push(line),
    diverged: (error) => {
      faults.push(error)
      teller.fail(error)
    },
  })
  return { teller, lines, faults }
}

const turns = async (n = 6) => {
  for (let i = 0; i < n; i++) await turn()
}

/** A call of one job, by the name of its task. */
const callOf = (name: string) => {
  const call = new Arrivals<number>(1)
  call.name = name
  return { call, arrive: (value = 1) => call.receive({ index: 0, jobId: 'j1', state: 'finished', value }) }
}

const seenAt = async (teller: Teller) => {
  const seen = await teller.log.begin(teller.log.position)
  teller.log.end(teller.log.position, true)
  return seen
}

test('what was asked for before a retry is had at once, while a replay is under way and when none is', async () => {
  const before = { ...entry('a', '["0"]', 't1'), earlier: true }
  const live = tellerOf({ journal: [before] })
  expect(live.teller.isReplaying).toBe(false)
  expect((await live.teller.ask('a', new Arrivals<number>(1), 'a'))?.taskId).toBe('t1')
  expect(await live.teller.ask('b', new Arrivals<number>(1), 'b')).toBeUndefined()

  const { teller } = tellerOf({ journal: [before, entry('b', '[0,"t1"]', 't2')] })
  const { call, arrive } = callOf('')
  expect((await teller.ask('a', call, 'a'))?.taskId).toBe('t1')
  arrive(5)
  await teller.wait(call, 'all')
  expect(call.outcomes[0]).toMatchObject({ value: 5 })
  expect(teller.isReplaying).toBe(true)
  await teller.ask('b', new Arrivals<number>(1), 'b')
  expect(teller.isReplaying).toBe(false)
})

/** A job's runtime that notes what it is told, and grants a slot when the test says so. */
const fakeRuntime = () => {
  const said: string[] = []
  let grant = () => {}
  const woken = () => {
    said.push('woken')
    return new Promise<void>((resolve) => {
      grant = resolve
    })
  }
  const slot: Slot = jobSlot({ awaiting: () => void said.push('awaiting'), woken })
  return { said, slot, grant: () => grant() }
}

test('things are told one by one in the order in which they came, and the program does what it can between two', async () => {
  const { teller } = tellerOf()
  const [a, b] = [callOf('t1'), callOf('t2')]
  const did: string[] = []
  const branch = async (name: string, { call }: ReturnType<typeof callOf>) => {
    await teller.wait(call, 'all')
    for (let step = 1; step <= 3; step++) {
      did.push(`${name}${step}`)
      await Promise.resolve()
    }
  }
  void branch('a', a)
  void branch('b', b)
  b.arrive()
  a.arrive()
  await turns()
  expect(did).toEqual(['b1', 'b2', 'b3', 'a1', 'a2', 'a3'])
  expect(await seenAt(teller)).toBe('[0,"t2","t1"]')
})

test('what came before it was awaited is told when it is, and what nobody awaits is not told', async () => {
  const { teller } = tellerOf()
  const [a, b] = [callOf('t1'), callOf('t2')]
  a.arrive()
  b.arrive()
  await turns()
  expect(await seenAt(teller)).toBe('[0]')
  await teller.wait(b.call, 'all')
  expect(await seenAt(teller)).toBe('[0,"t2"]')
})

test('a map tells its values, its outcomes as they come, and its first failure', async () => {
  const { teller } = tellerOf()
  const map = new Arrivals<number>(3)
  map.name = 't1'
  const failed = new Error('no') as never
  map.receive({ index: 2, jobId: 'j3', state: 'finished', value: 30 })
  await teller.wait(map, 0)
  map.receive({ index: 1, jobId: 'j2', state: 'failed', error: failed })
  await teller.wait(map, 'values')
  expect([map.handed(0).index, map.toldFailure]).toEqual([2, failed])
  const rest = [teller.wait(map, 1), teller.wait(map, 'all')]
  map.receive({ index: 0, jobId: 'j1', state: 'finished', value: 10 })
  await Promise.all(rest)
  expect(await seenAt(teller)).toBe('[0,["t1",2],"t1!1",["t1",1],"t1"]')
})

test('in a replay things are told in the order of the journal, however they come', async () => {
  const journal = [entry('a:0', '[0]', 't1'), entry('b:0', '[0]', 't2'), entry('c:0', '[0,"t1","t2"]', 't3')]
  const { teller } = tellerOf({ journal })
  const [a, b, c] = [callOf(''), callOf(''), callOf('')]
  const told: string[] = []
  const ask = async (key: string, { call }: typeof a) => {
    expect(await teller.ask(key, call, key)).toMatchObject({ key })
    await teller.wait(call, 'all')
    told.push(key)
  }
  void ask('b:0', b)
  b.arrive()
  await turns()
  void ask('a:0', a)
  await turns()
  expect(told).toEqual([])
  a.arrive()
  await turns()
  expect([told, teller.isReplaying]).toEqual([['a:0', 'b:0'], true])
  void ask('c:0', c)
  await turns()
  expect(teller.isReplaying).toBe(false)
  c.arrive()
  await turns()
  expect(told).toEqual(['a:0', 'b:0', 'c:0'])
  expect(await seenAt(teller)).toBe('[2,"t3"]')
})

test('in a replay nothing is told before all was asked that had been asked before it: a time-out fires again', async () => {
  const journal = [entry('slow:0', '[0]', 't1'), entry('instead:0', '[0]', 't2'), entry('x:0', '[0,"t2"]', 't3')]
  const { teller } = tellerOf({ journal })
  const [slow, instead] = [callOf(''), callOf('')]
  await teller.ask('slow:0', slow.call, 'slow')
  let winner = ''
  void teller.wait(slow.call, 'all').then(() => {
    winner ||= 'slow'
  })
  slow.arrive()
  await turns()
  await teller.ask('instead:0', instead.call, 'instead')
  void teller.wait(instead.call, 'all').then(() => {
    winner ||= 'instead'
  })
  instead.arrive()
  await turns()
  expect(winner).toBe('instead')
})

test('a new call waits until the replay is over', async () => {
  const { teller } = tellerOf({ journal: [entry('a:0', '[0]', 't1'), entry('b:0', '[0,"t1"]', 't2')] })
  const [a, b, fresh] = [callOf(''), callOf(''), callOf('')]
  let asked = false
  void teller.ask('new:0', fresh.call, 'new').then((known) => {
    asked = known === undefined
  })
  await teller.ask('a:0', a.call, 'a')
  void teller.wait(a.call, 'all')
  a.arrive()
  await turns()
  expect(asked).toBe(false)
  await teller.ask('b:0', b.call, 'b')
  await turns()
  expect(asked).toBe(true)
})

test('a refusal that the program was told of is told again, in its turn', async () => {
  const journal = [
    entry('a:0', '[0]', 't1'),
    entry('b:0', '[0,"t1",["!=big:0","too_large_for_queue","no queue has 99 cores"]]', 't2'),
  ]
  const { teller } = tellerOf({ journal })
  const [big, a] = [callOf(''), callOf('')]
  await expect(teller.ask('big:0', big.call, 'big')).rejects.toMatchObject({ code: 'too_large_for_queue' })
  let told: unknown
  teller.wait(big.call, 'all').catch((error) => {
    told = error
  })
  await turns()
  expect(told).toBeUndefined()
  await teller.ask('a:0', a.call, 'a')
  void teller.wait(a.call, 'all')
  a.arrive()
  await turns()
  expect(told).toMatchObject({ code: 'too_large_for_queue', message: 'no queue has 99 cores' })
})

test('what fails now, and not before, is told at once', async () => {
  const { teller } = tellerOf({ journal: [entry('a:0', '[0]', 't1'), entry('b:0', '[0]', 't2')] })
  const a = callOf('')
  await teller.ask('a:0', a.call, 'a')
  const told = expect(teller.wait(a.call, 'all')).rejects.toThrow('away')
  a.call.fail(new Error('away'))
  await told
})

test('a replay that stands still while a new call waits is an error that names both', async () => {
  const { teller, lines, faults } = tellerOf({ journal: [entry('m#a:0', '[0]', 't1')], replaySeconds: 0.04 })
  const asked = teller.ask('m#b:0', callOf('').call, 'm#b')
  await expect(asked).rejects.toMatchObject({
    code: 'journal_diverged',
    message: expect.stringMatching(/waited for the program to ask for m#a, .*; it asks for m#b instead/),
  })
  expect(faults).toHaveLength(1)
  expect(lines).toEqual(['it replays what an earlier start had done, and waits for the program to ask for m#a'])
  expect(teller.missing).toMatchObject({ code: 'journal_diverged' })
})

test('a replay may stand still as long as it likes while nothing is held back for it, or the server is slow', async () => {
  const journal = [entry('a:0', '[0]', 't1'), entry('b:0', '[0,"t1"]', 't2')]
  const { teller, faults } = tellerOf({ journal, replaySeconds: 0.02 })
  const [a, b] = [callOf(''), callOf('')]
  await teller.ask('a:0', a.call, 'a')
  const told = teller.wait(a.call, 'all')
  await new Promise((resolve) => setTimeout(resolve, 60))
  a.arrive()
  await told
  await new Promise((resolve) => setTimeout(resolve, 60))
  await teller.ask('b:0', b.call, 'b')
  expect([faults, teller.isReplaying]).toEqual([[], false])
})

test('a slot is given back once the code waits, and taken again before anything is told', async () => {
  const { said, slot, grant } = fakeRuntime()
  const { teller } = tellerOf({ slot })
  const a = callOf('t1')
  let told = false
  const waiting = teller.wait(a.call, 'all').then(() => {
    told = true
  })
  expect(said).toEqual([])
  await turn()
  expect(said).toEqual(['awaiting'])
  a.arrive()
  await turn()
  expect([said, told]).toEqual([['awaiting', 'woken'], false])
  grant()
  await waiting
})

test('what has come already costs no slot', async () => {
  const { said, slot } = fakeRuntime()
  const { teller } = tellerOf({ slot })
  const a = callOf('t1')
  a.arrive()
  await teller.wait(a.call, 'all')
  await turns()
  expect(said).toEqual([])
})

test('what comes while the slot is on its way is told with the first; when more is awaited, the slot goes back', async () => {
  const { said, slot, grant } = fakeRuntime()
  const { teller } = tellerOf({ slot })
  const [a, b, c] = [callOf('t1'), callOf('t2'), callOf('t3')]
  const all = Promise.all([a, b, c].map(({ call }) => teller.wait(call, 'all')))
  await turn()
  a.arrive()
  await turn()
  b.arrive()
  await turn()
  expect(said).toEqual(['awaiting', 'woken'])
  grant()
  await turns()
  expect(said).toEqual(['awaiting', 'woken', 'awaiting'])
  c.arrive()
  await turn()
  grant()
  await all
  expect(said).toEqual(['awaiting', 'woken', 'awaiting', 'woken'])
})

test('an error also waits for the slot', async () => {
  const { said, slot, grant } = fakeRuntime()
  const { teller } = tellerOf({ slot })
  const a = callOf('t1')
  const waiting = expect(teller.wait(a.call, 'all')).rejects.toThrow('no')
  await turn()
  a.call.fail(new Error('no'))
  await turn()
  expect(said).toEqual(['awaiting', 'woken'])
  grant()
  await waiting
})

test('a record and the end of a workflow function have their turn like calls', async () => {
  const { teller } = tellerOf()
  const source = new Single()
  await teller.ask('now:0', source, 'now')
  source.come()
  await teller.wait(source, 'value')
  await teller.tellEnd('w7')
  expect(await seenAt(teller)).toBe('[0,"=now:0","w7"]')
})
