import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { request } from 'undici'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Client, makeClient } from '../../src/contract/client.ts'
import { files } from '../../src/main/files.ts'
import { readServer } from '../../src/main/homeServer.ts'
import { culm, freshFolder, type Running, readToken } from '../support/processes.ts'
import { eventually } from '../support/server.ts'

/** Works that end without their value, on a queue with one slot; this test is whoever is outside, and posts it. */

let env: NodeJS.ProcessEnv
let client: Client
beforeAll(async () => {
  const home = path.join(await freshFolder(), 'culm')
  env = { CULM_HOME: home, PYTHONPATH: files.pythonPath }
  await culm(['up', '--slots', '1'], env).says('It serves')
  client = makeClient({ url: (await readServer(home))!.url, token: await readToken(home) })
}, 60_000)
afterAll(() => client?.close())

/** Three jobs that cannot all have the slot: one that asks, one that waits for one that asks, and one that computes. */
const typescript = `
import { renameSync, writeFileSync } from 'node:fs'
import { callback, work, workflow } from ${JSON.stringify(path.join(files.root, 'src/sdk/index.ts'))}
export const ask = work(async (place: string) => {
  const later = await callback<{ n: number }>({ seconds: 600 })
  writeFileSync(place + '.new', later.url)
  renameSync(place + '.new', place)
  return later
}, { name: 'ask', attempts: { user: 2 } })
export const outer = work(async (place: string) => (await ask(place)).n + 1)
export const square = work((x: number) => x * x)
export const main = workflow(async (folder: string) => {
  const calls = [ask(folder + '/one'), outer(folder + '/two')]
  console.log('beside them', await square(3))
  return Promise.all(calls)
})
`
const python = `
import os, sys
from culm import callback, work, workflow

@work(attempts={'user': 2})
def ask(place):
    later = callback(seconds=600)
    with open(place + '.new', 'w') as file:
        file.write(later.url)
    os.rename(place + '.new', place)
    return later

@work
def outer(place):
    return ask(place)['n'] + 1

@work
def square(x):
    return x * x

@workflow
def main(folder):
    calls = [ask.submit(folder + '/one'), outer.submit(folder + '/two')]
    print('beside them', square(3), flush=True)
    return [call.result() for call in calls]

if __name__ == '__main__':
    main(sys.argv[1])
`

/** Posts as anything that speaks HTTP may, without a token. */
const post = async (url: string, body: unknown) => {
  const headers = { 'content-type': 'application/json' }
  const answer = await request(url, { method: 'POST', headers, body: JSON.stringify(body) })
  return { status: answer.statusCode, ...((await answer.body.json()) as { code?: string }) }
}

/** The address that a job left there, once it is another than `before`. */
const addressAt = (place: string, before?: string) =>
  eventually(
    async () => {
      const url = await readFile(place, 'utf8').catch(() => '')
      return url !== before && url
    },
    `an address in ${place}`,
    30_000,
  )

const begin = async (name: string, source: string): Promise<{ folder: string; file: string; running: Running }> => {
  const folder = await freshFolder('callbacks')
  const file = path.join(folder, name)
  await writeFile(file, source)
  return { folder, file, running: culm(['run', file, folder, '--json'], env) }
}

const jobNamed = async (name: string) => {
  const { items } = await client.call('listTasks', { query: { limit: 50 } })
  const task = items.find((task) => task.name === name && !task.endedAt)!
  return (await client.call('listJobs', { params: { id: task.id } })).items[0]!
}

test.each([
  ['TypeScript', 'asks.ts', typescript],
  ['Python', 'asks.py', python],
])(
  'from %s: the slot is free meanwhile, an error is tried again with another address, and the value comes to who waits',
  async (_, name, source) => {
    const { folder, running } = await begin(name, source)
    await running.says('beside them 9')
    const [one, two] = [await addressAt(`${folder}/one`), await addressAt(`${folder}/two`)]
    expect(await post(one, { error: { type: 'Oops', message: 'ask me again' } })).toMatchObject({ status: 200 })
    const again = await addressAt(`${folder}/one`, one)
    expect(await post(one, { value: 1 })).toMatchObject({ status: 409, code: 'callback_used' })
    expect(await post(again, { value: { n: 42 } })).toMatchObject({ status: 200 })
    expect(await post(two, { value: { n: 1 } })).toMatchObject({ status: 200 })
    expect(await running.ended, running.printed()).toBe(0)
    expect(running.printed()).toMatch(/"value":\[\{"n":42\},2\]/)
  },
  90_000,
)

test('a program that was killed and is continued waits on for what its first start had asked', async () => {
  const { folder, file, running } = await begin('killed.py', python)
  await running.says('beside them 9')
  const one = await addressAt(`${folder}/one`)
  const two = await addressAt(`${folder}/two`)
  await running.kill('SIGKILL')
  await post(two, { value: { n: 1 } })
  const { items } = await client.call('listWorkflows', { query: { limit: 1 } })
  const continued = culm(['run', file, folder, '--json', '--continue', items[0]!.id], env)
  await continued.says('beside them 9')
  expect(await readFile(`${folder}/one`, 'utf8')).toBe(one)
  await post(one, { value: { n: 7 } })
  expect(await continued.ended, continued.printed()).toBe(0)
  expect(continued.printed()).toMatch(/"value":\[\{"n":7\},2\]/)
}, 90_000)

test('people are told that it waits, and may cancel it: who called it hears of that', async () => {
  const { folder, running } = await begin('cancelled.py', python)
  await running.says('beside them 9')
  const one = await addressAt(`${folder}/one`)
  const two = await addressAt(`${folder}/two`)
  const [holding] = await eventually(async () => {
    const job = await jobNamed('ask')
    return job.state === 'holding' && [job]
  }, 'it has done its part')
  const shown = culm(['show', holding!.id], env)
  expect(await shown.ended, shown.printed()).toBe(0)
  expect(shown.printed()).toMatch(/holding[\s\S]*payloadDone: its value may be posted until/)
  expect(shown.printed()).toMatch(/waits for its value to be posted to its callback until .* \(waits_for_callback\)/)
  const cancelled = culm(['cancel', holding!.id], env)
  expect(await cancelled.ended, cancelled.printed()).toBe(0)
  const codes = [(await post(one, { value: { n: 1 } })).code, (await post(two, { value: { n: 1 } })).code]
  expect(codes.filter((code) => code === 'callback_over')).toHaveLength(1)
  expect(await running.ended, running.printed()).not.toBe(0)
}, 90_000)

test('outside of a job there is nothing that could wait: an error says what to do', async () => {
  const folder = await freshFolder('callbacks')
  const sources = {
    'misplaced.py': 'from culm import callback\ncallback()\n',
    'misplaced.ts': `import { callback } from ${JSON.stringify(path.join(files.root, 'src/sdk/index.ts'))}\nawait callback()\n`,
  }
  for (const [name, source] of Object.entries(sources)) {
    const file = path.join(folder, name)
    await writeFile(file, source)
    const running = culm(['run', file], env)
    expect(await running.ended, running.printed()).not.toBe(0)
    expect(running.printed()).toContain('callback was called outside of a job')
    expect(running.printed()).toContain('inside a work')
  }
}, 60_000)
