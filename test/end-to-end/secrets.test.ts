import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { files } from '../../src/main/files.ts'
import { bareEnv, culm, freshFolder, type Running } from '../support/processes.ts'

/** The whole way: `culm up` by its user, secrets by the command line, jobs of commands, of TypeScript and of Python. */
let env: NodeJS.ProcessEnv
let up: Running
const value = 'correct-horse-battery'
beforeAll(async () => {
  env = { CULM_HOME: path.join(await freshFolder(), 'culm') }
  up = culm(['up'], env)
  await up.says('It serves')
  await set('db', value)
}, 60_000)

const set = async (name: string, text: string) => {
  const child = spawn(process.execPath, [files.cli, 'secret', 'set', name], {
    env: bareEnv(env),
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  child.stdin.end(`${text}\n`)
  expect((await once(child, 'close'))[0]).toBe(0)
}
const said = async (...args: string[]): Promise<string> => {
  const running = culm(args, env)
  expect(await running.ended, running.printed()).toBe(0)
  return running.printed()
}
const logOf = async (...submit: string[]): Promise<string> => {
  const [jobId] = /j\d+/.exec(await said('submit', '--wait', ...submit))!
  return said('logs', '-f', jobId!)
}

test('a secret is given to the command that names it, and is shown by no log', async () => {
  const script = 'printf %s "$DB" | wc -c; echo "<$DB>"; wc -c < "$FILE"; echo "<$CULM_TOKEN>"'
  const log = await logOf('--secret', 'db=DB', '--secret-file', 'db=db.txt:FILE', '--', 'sh', '-c', script)
  expect(log.match(new RegExp(`\\b${value.length}$`, 'gm'))).toHaveLength(2)
  expect(log).toContain('<‹db›>')
  expect(log).toContain('<>')
  expect(await logOf('--', 'sh', '-c', 'echo "<$DB>"')).toContain('<>')
  expect(await said('secret', 'ls')).toMatch(/^NAME +SET\ndb +\d+s/)
}, 120_000)

test('works in TypeScript and in Python get theirs by an option', async () => {
  const folder = await freshFolder('program')
  await mkdir(path.join(folder, 'node_modules'))
  await writeFile(path.join(folder, 'package.json'), '{"type":"module","name":"program"}')
  const uses = (
    name: string,
  ) => `const { work } = await import(${JSON.stringify(path.join(files.root, 'dist/sdk/index.js'))})
    export const ${name} = work(() => [process.env.DB.length, process.env.DB], { secrets: [{ name: 'db', env: 'DB' }] })`
  await writeFile(
    path.join(folder, 'main.mjs'),
    `${uses('f')}\nexport default async () => console.log('got', JSON.stringify(await f()))\n`,
  )
  expect(await said('run', path.join(folder, 'main.mjs'))).toContain(`got [${value.length},"‹db›"]`)
  const python = `import os
from culm import work, workflow
@work(secrets=[{'name': 'db', 'env': 'DB'}])
def f():
    return [len(os.environ['DB']), os.environ['DB']]
@workflow
def main():
    print('got', f())
if __name__ == '__main__':
    main()
`
  await writeFile(path.join(folder, 'main.py'), python)
  expect(await said('run', path.join(folder, 'main.py'))).toContain(`got [${value.length}, '‹db›']`)
}, 120_000)

test('what is in the home is for its owner alone, and a rotation makes a further key', async () => {
  const keys = path.join(env.CULM_HOME!, 'keys')
  const modes = () => readdirSync(keys).map((name) => (statSync(path.join(keys, name)).mode & 0o777).toString(8))
  expect(modes()).toEqual(['600'])
  expect(await said('secret', 'rotate')).toMatch(/^1 secrets? .*newest key/)
  expect(modes()).toEqual(['600', '600'])
  expect(await logOf('--secret', 'db=DB', '--', 'sh', '-c', 'printf %s "$DB" | wc -c')).toContain(String(value.length))
  const { status } = spawnSync('grep', ['-rqaF', value, env.CULM_HOME!])
  expect(status, 'no file of the home has it').toBe(1)
}, 120_000)

test('a queue, an experiment, its user and his token are made by the command line, and taken back', async () => {
  await said('queue', 'add', 'far', '--site', 'cern-like')
  expect((await said('queue', 'token', 'far', '-q')).trim()).toMatch(/^cp_\S{40,}$/)
  await said('experiment', 'add', 'south')
  await said('user', 'add', 'bob', '--experiment', 'south', '--admin')
  const token = (await said('user', 'token', 'bob', '--experiment', 'south', '--expires', '1h', '-q')).trim()
  const asBob = (...args: string[]) => culm(args, { ...env, CULM_TOKEN: token })
  const who = asBob('whoami')
  expect(await who.ended).toBe(0)
  expect(who.printed()).toMatch(/^bob \(admin\) of south, in users/)
  expect(await asBob('queue', 'add', 'mine').ended).toBe(1)
  const [id] = /^k\d+(?= +bob)/m.exec(await said('token', 'ls'))!
  await said('token', 'revoke', id!)
  const after = asBob('whoami')
  expect(await after.ended).toBe(1)
  expect(after.printed()).toMatch(/unknown, over or revoked/)
}, 120_000)

test('the tokens of the home are in no environment and no file that a payload can read', async () => {
  const tokens = ['token', 'run/pilot-local.token'].map((file) =>
    readFileSync(path.join(env.CULM_HOME!, file), 'utf8').trim(),
  )
  const script = `env; cat ${env.CULM_HOME}/token ${env.CULM_HOME}/run/* ${env.CULM_HOME}/keys/* ${env.CULM_HOME}/server.json; cat /proc/*/environ | tr '\\0' '\\n'; true`
  const log = await logOf('--', 'sh', '-c', script)
  const isHidden = !up.printed().includes('bubblewrap')
  for (const token of tokens) expect(log.includes(token)).toBe(!isHidden)
}, 120_000)
