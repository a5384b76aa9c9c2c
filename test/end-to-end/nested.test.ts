import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { makeClient } from '../../src/contract/client.ts'
import { files } from '../../src/main/files.ts'
import { readServer } from '../../src/main/homeServer.ts'
import { culm, freshFolder, readToken, run } from '../support/processes.ts'

let env: NodeJS.ProcessEnv

beforeAll(async () => {
  env = { CULM_HOME: path.join(await freshFolder(), 'culm'), PYTHONPATH: files.pythonPath }
  await culm(['up', '--slots', '1'], env).says('It serves')
}, 60_000)

/** A call within a call within a call: 3 × (2 + 3) leaves, and every middle one waits for its own. */
const typescript = `
import { work, workflow } from ${JSON.stringify(path.join(files.root, 'src/sdk/index.ts'))}
export const leaf = work((x: number) => x + 1)
export const middle = work(async (x: number) => (await leaf.map([x, x * 10])).reduce((a, b) => a + b, 0))
export const top = work(async (x: number) => (await Promise.all([middle(x), middle(x + 1)])).reduce((a, b) => a + b, 0))
export const main = workflow(async () => (await top.map([1, 2, 3])).reduce((a, b) => a + b, 0))
`

const python = `
from culm import work, workflow

@work
def leaf(x):
    return x + 1

@work
def middle(x):
    return sum(leaf.map([x, x * 10]))

@work
def top(x):
    return middle(x) + middle(x + 1)

@workflow
def main():
    return sum(top.map([1, 2, 3]))

if __name__ == '__main__':
    print(main())
`

/** Σ over x of 1, 2, 3 of (11x + 2) + (11(x + 1) + 2). */
const expected = [1, 2, 3].reduce((sum, x) => sum + 11 * x + 2 + 11 * (x + 1) + 2, 0)

test('works that call works, three levels deep, complete on a queue with one slot, from TypeScript', async () => {
  const file = path.join(await freshFolder('nested'), 'nested.ts')
  await writeFile(file, typescript)
  const nested = culm(['run', file, '--json'], env)
  expect(await nested.ended, nested.printed()).toBe(0)
  expect(nested.printed()).toMatch(`"value":${expected}`)
}, 60_000)

test('and from Python', async () => {
  const file = path.join(await freshFolder('nested'), 'nested.py')
  await writeFile(file, python)
  const nested = run('python3', [file], env)
  expect(await nested.ended, nested.printed()).toBe(0)
  expect(nested.printed().trim()).toBe(String(expected))
}, 60_000)

test('those that waited gave their slot back, and kept their attempt', async () => {
  const client = makeClient({ url: (await readServer(env.CULM_HOME!))!.url, token: await readToken(env.CULM_HOME!) })
  const { items } = await client.call('listTasks', { query: { limit: 200 } })
  const tops = items.filter((task) => task.name.endsWith('top'))
  expect(tops.length).toBeGreaterThan(0)
  for (const { id } of tops) {
    const { items: jobs } = await client.call('listJobs', { params: { id } })
    for (const job of jobs) {
      const { items: moves } = await client.call('jobHistory', { params: { id: job.id } })
      expect(moves.map((m) => m.to)).toContain('awaiting')
      expect([job.state, job.attempt]).toEqual(['finished', 1])
    }
  }
  await client.close()
})
