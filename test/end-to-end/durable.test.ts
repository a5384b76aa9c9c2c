import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Client, makeClient } from '../../src/contract/client.ts'
import { readServer } from '../../src/main/homeServer.ts'
import { installSdk } from '../../src/sdk/testing/installSdk.ts'
import { culm, freshFolder, type Running, readToken, run } from '../support/processes.ts'
import { eventually } from '../support/server.ts'

/** Programs that are killed and started again, by `culm run --continue` and by plain Node, on a server with a pilot. */

let sdk: Awaited<ReturnType<typeof installSdk>>
let env: NodeJS.ProcessEnv
let client: Client
let up: Running
beforeAll(async () => {
  const home = path.join(await freshFolder(), 'culm')
  env = { CULM_HOME: home, CULM_REPLAY_SECONDS: '30' }
  up = culm(['up', '--slots', '4'], env)
  sdk = await installSdk()
  await up.says('It serves')
  client = makeClient({ url: (await readServer(home))!.url, token: await readToken(home) })
}, 120_000)
afterAll(async () => {
  await client?.close()
  await sdk?.remove()
})

/** Works that end when a file appears. */
const works = `
import { existsSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { work } from 'culm'

export const add = work((a, b) => a + b)
export const after = work(async (file, value) => {
  while (!existsSync(file)) await sleep(10)
  return value
})
export const outer = work(async (folder) => {
  // When it is told to, its process dies, once, whatever it does.
  const killed = folder + '/killed'
  const watch = setInterval(() => {
    if (!existsSync(folder + '/kill') || existsSync(killed)) return
    writeFileSync(killed, '')
    process.kill(process.pid, 'SIGKILL')
  }, 10)
  const first = await add(1, 2)
  const second = await after(folder + '/inner', 10)
  clearInterval(watch)
  return first + second + (await add(first, second))
})
`

const program = (main: string) => `
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { journal, workflow } from 'culm'
import { add, after, outer } from './works.mjs'
export const main = workflow(${main})
if (process.argv[1] === import.meta.filename) console.log('value ' + JSON.stringify(await main(...process.argv.slice(2))))
`

/** A program in a folder of its own. */
const write = async (main: string) => {
  const folder = path.join(sdk.folder, randomUUID())
  await sdk.write({ [path.relative(sdk.folder, `${folder}/works.mjs`)]: works })
  const file = path.join(folder, 'program.mjs')
  const rewrite = (main: string) => writeFile(file, program(main))
  await rewrite(main)
  return { folder, file, rewrite }
}

type Ways = 'culm' | 'node'
const ways: Record<Ways, (file: string, args: string[], runId: string, workflowId?: string) => Running> = {
  culm: (file, args, _runId, workflowId) =>
    culm(['run', file, ...args, ...(workflowId ? ['--continue', workflowId] : [])], env),
  node: (file, args, runId) => run(process.execPath, [file, ...args], { ...env, CULM_RUN: runId }),
}

const newest = async () => (await client.call('listWorkflows', { query: { limit: 1 } })).items[0]

/** Starts a program, and gives its workflow as soon as there is one. */
const start = async (way: Ways, file: string, ...args: string[]) => {
  const before = await newest()
  const runId = randomUUID()
  const running = ways[way](file, args, runId)
  const workflow = await eventually(
    async () => {
      const workflow = await newest()
      return workflow !== undefined && workflow.id !== before?.id && workflow
    },
    'its workflow begins',
    20_000,
  )
  return { running, id: workflow.id, run: workflow.run!, workflow }
}

const continueBy = (way: Ways, file: string, { id, run }: { id: string; run: string }, ...args: string[]) =>
  ways[way](file, args, run, id)

const endsWith = async (running: Running, value: unknown) => {
  expect(await running.ended, running.printed()).toBe(0)
  expect(running.printed()).toContain(typeof value === 'string' ? value : JSON.stringify(value))
}

/** Each job of a workflow by the history of the server: how often it finished, and whether anything came after. */
const jobsOf = async (workflowId: `w${number}`) => {
  const { items: tasks } = await client.call('listTasks', { query: { workflowId, limit: 200 } })
  const all: { work: string; finished: number; last: string; why: string[] }[] = []
  for (const task of tasks) {
    let after: string | undefined
    do {
      const page = await client.call('listJobs', { params: { id: task.id }, query: { limit: 200, after } })
      for (const job of page.items) {
        // All of a small task, some of a large one.
        if (task.counts.total > 50 && job.index % 100 !== 0) continue
        const { items: moves } = await client.call('jobHistory', { params: { id: job.id } })
        const finished = moves.filter(({ to }) => to === 'finished').length
        const why = moves.filter(({ trigger }) => trigger === 'willRetry').map((move) => move.why ?? '')
        all.push({ work: task.name, finished, last: moves.at(-1)!.to, why })
      }
      after = page.next ?? undefined
    } while (after)
  }
  return all
}

const expectRanOnce = async (workflowId: `w${number}`, works: string[]) => {
  const jobs = await jobsOf(workflowId)
  expect(jobs.map(({ work }) => work).sort()).toEqual(works.sort())
  for (const job of jobs) expect(job).toMatchObject({ finished: 1, last: 'finished' })
}

const journalOf = async (id: `w${number}`) => (await client.call('readJournal', { params: { id } })).items

test('killed before the reply to its first call, a program makes that call once', async () => {
  const { file } = await write(`async () => add(await add(1, 2), 10)`)
  const started = await start('culm', file)
  await started.running.kill('SIGKILL')
  await endsWith(continueBy('culm', file, started), 13)
  await expectRanOnce(started.id, ['add', 'add'])
  // Done is done: the value is given, and nothing runs.
  await endsWith(continueBy('node', file, started), 13)
  await expectRanOnce(started.id, ['add', 'add'])
}, 120_000)

test('killed while a large map is being sent, a program sends the rest of it, and goes on by plain Node', async () => {
  const { file, folder } = await write(`async (file) => {
    const sums = add.map(Array.from({ length: 3000 }, (_, i) => i), { common: [1] })
    let sum = 0
    for await (const { value } of sums) {
      sum += value
      if (sum === value) await after(file, 0)
    }
    return sum + (await add(1, 1))
  }`)
  const gate = path.join(folder, 'gate')
  const started = await start('culm', file, gate)
  await eventually(async () => (await journalOf(started.id)).length === 2, 'the first outcome was handed out')
  await started.running.kill('SIGKILL')
  await writeFile(gate, '')
  await endsWith(continueBy('node', file, started, gate), (3000 * 3001) / 2 + 2)
  await expectRanOnce(started.id, ['add', 'after', ...Array.from({ length: 30 }, () => 'add')])
}, 120_000)

test('a race that was won has the same winner again, though the other has come meanwhile; a time-out fires again', async () => {
  const { file, folder } = await write(`async (folder) => {
    const [slow, fast] = [after(folder + '/slow', 'slow'), after(folder + '/fast', 'fast')]
    const winner = await Promise.race([slow, fast])
    const late = after(folder + '/late', 'late')
    const timeOut = new Promise((resolve) => setTimeout(resolve, 50, 'timed out'))
    const second = await Promise.race([late, timeOut])
    const third = await after(folder + '/third', winner + ', ' + second)
    return third + ', ' + (await late) + ', ' + (await slow)
  }`)
  const started = await start('node', file, folder)
  await writeFile(path.join(folder, 'fast'), '')
  await eventually(async () => (await journalOf(started.id)).length === 4, 'the third call was made')
  await started.running.kill('SIGKILL')
  for (const name of ['slow', 'late', 'third']) await writeFile(path.join(folder, name), '')
  await endsWith(continueBy('culm', file, started, folder), 'fast, timed out, late, slow')
  await expectRanOnce(started.id, ['after', 'after', 'after', 'after'])
}, 120_000)

test('a sleep is slept to its end, time and chance are the same, and what was done once is not done again', async () => {
  const { file, folder } = await write(`async (folder) => {
    const facts = [(await journal.now()).getTime(), await journal.random(), await journal.uuid(), await journal.once(() => {
      appendFileSync(folder + '/once', 'x')
      return readFileSync(folder + '/fact', 'utf8')
    })]
    await journal.once(() => { throw new TypeError('as asked') }).catch((error) => facts.push(error.name + ': ' + error.message))
    writeFileSync(folder + '/facts' + (existsSync(folder + '/facts0') ? '1' : '0'), JSON.stringify(facts))
    await journal.sleep(1.5)
    return { sum: await add(facts[0], 0), wokenAt: Date.now() }
  }`)
  await writeFile(path.join(folder, 'fact'), 'first')
  const started = await start('culm', file, folder)
  const journal = await eventually(async () => {
    const journal = await journalOf(started.id)
    return journal.at(-1)?.key === 'sleep:0' && journal
  }, 'it sleeps')
  await started.running.kill('SIGKILL')
  await writeFile(path.join(folder, 'fact'), 'second')
  const again = continueBy('node', file, started, folder)
  expect(await again.ended, again.printed()).toBe(0)
  const facts = await Promise.all(['facts0', 'facts1'].map((name) => readFile(path.join(folder, name), 'utf8')))
  expect(facts[1]).toBe(facts[0])
  expect(JSON.parse(facts[0]!).slice(-2)).toEqual(['first', 'TypeError: as asked'])
  expect(await readFile(path.join(folder, 'once'), 'utf8')).toBe('x')
  const { wokenAt } = JSON.parse(again.printed().match(/value (.*)/)![1]!)
  expect(wokenAt).toBeGreaterThanOrEqual(Number(journal.at(-1)!.value))
  expect((await journalOf(started.id)).filter(({ key }) => key.startsWith('sleep'))).toHaveLength(1)
}, 120_000)

test('other code and other arguments are refused, other behaviour is an error, and the right program still goes on', async () => {
  const main = `async (file) => {
    await add(1, 2)
    return after(file, 1)
  }`
  const { file, folder, rewrite } = await write(main)
  const gate = path.join(folder, 'gate')
  const started = await start('culm', file, gate)
  await eventually(async () => (await journalOf(started.id)).length === 2, 'both calls were made')
  await started.running.kill('SIGKILL')
  const refused = async (running: Running, code: RegExp) => {
    expect(await running.ended, running.printed()).toBe(1)
    expect(running.printed()).toMatch(code)
  }
  await refused(
    continueBy('culm', file, started, `${gate}2`),
    /begun with other arguments[\s\S]*help: Continue it with the arguments it had/,
  )
  await rewrite(`${main} /* changed */`)
  await refused(continueBy('culm', file, started, gate), /source of w\d+ was changed[\s\S]*--accept-code/)
  await rewrite(main.replace('add(1, 2)', 'add(1, 3)'))
  const impatient = { ...env, CULM_REPLAY_SECONDS: '0.5' }
  const other = culm(['run', file, gate, '--continue', started.id, '--accept-code'], impatient)
  await refused(other, /waited for the program to ask for .*works\.mjs.*#add.*; it asks for .*#add instead/)
  await rewrite(`async (file) => 3`)
  const accepting = run(process.execPath, [file, gate], { ...env, CULM_RUN: started.run, CULM_ACCEPT_CODE: '1' })
  await refused(accepting, /journal_diverged|the program ended, and has not asked for/)
  expect((await client.call('getWorkflow', { params: { id: started.id } })).state).toBe('running')
  await rewrite(main)
  // `--continue` without a workflow: the newest of this program that has not ended.
  const right = culm(['run', file, gate, '--continue', '--accept-code'], env)
  await right.says(`${started.id} is continued`)
  await writeFile(gate, '')
  await endsWith(right, 1)
  await expectRanOnce(started.id, ['add', 'after'])
}, 120_000)

test('a job whose runner is killed while it awaits calls of its own is attached to them when it runs again', async () => {
  const { file, folder } = await write(`async (folder) => outer.with({ attempts: { user: 2 } })(folder)`)
  const started = await start('culm', file, folder)
  await eventually(async () => (await jobsOf(started.id)).length === 3, 'its second call was made', 20_000)
  await writeFile(path.join(folder, 'kill'), '')
  await eventually(async () => existsSync(path.join(folder, 'killed')), 'it was killed')
  await writeFile(path.join(folder, 'inner'), '')
  await endsWith(started.running, 3 + 10 + 13)
  const jobs = await jobsOf(started.id)
  const [outer] = jobs.filter(({ work }) => work === 'outer')
  expect(outer).toMatchObject({ finished: 1, why: [expect.stringContaining('runner')] })
  const inner = jobs.filter(({ work }) => work !== 'outer')
  expect(inner.map(({ work }) => work).sort()).toEqual(['add', 'add', 'after'])
  for (const job of inner) expect(job).toMatchObject({ finished: 1, last: 'finished', why: [] })
}, 120_000)

test('a session, the calls of a script outside any function, goes on too', async () => {
  const { folder } = await write(`async () => 0`)
  const script = path.join(folder, 'script.mjs')
  await writeFile(
    script,
    `
    import { journal } from 'culm'
    import { main } from './program.mjs'
    import { add, after } from './works.mjs'
    const gate = process.argv[2]
    const part = await add(1, Math.round(1000 * (await journal.random())))
    console.log('sum ' + (part + (await main()) + (await after(gate, 0)) + (await add(part, -part))))
  `,
  )
  const gate = path.join(folder, 'gate')
  const started = await start('node', script, gate)
  expect(started.workflow).toMatchObject({ kind: 'session', name: 'script.mjs', program: 'script.mjs' })
  await eventually(async () => (await journalOf(started.id)).length === 3, 'its second call was made', 20_000)
  await started.running.kill('SIGKILL')
  await writeFile(gate, '')
  const again = continueBy('node', script, started, gate)
  expect(await again.ended, again.printed()).toBe(0)
  expect(again.printed()).toMatch(/^sum \d+$/m)
  await expectRanOnce(started.id, ['add', 'add', 'after'])
  const { items } = await client.call('listWorkflows', { query: { run: started.run } })
  expect(items.map(({ kind, state }) => `${kind} ${state}`).sort()).toEqual(['function done', 'session done'])
}, 120_000)
