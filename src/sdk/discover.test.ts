import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { discoverServer, keepLogin } from './discover.ts'

let home: string
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'culm-home-'))
})
afterEach(() => rm(home, { recursive: true, force: true }))

const url = 'http://127.0.0.1:7001'
const running = async (pid = process.pid) => {
  await writeFile(join(home, 'server.json'), JSON.stringify({ url, pid }))
  await writeFile(join(home, 'token'), 'of-the-home\n')
}

test('the variables come first', async () => {
  await running()
  const env = { CULM_HOME: home, CULM_SERVER: 'https://culm.example', CULM_TOKEN: 'mine' }
  expect(await discoverServer(env)).toEqual({ url: 'https://culm.example', token: 'mine' })
})

test('without them it is the server of the home, with its token', async () => {
  await running()
  expect(await discoverServer({ CULM_HOME: home })).toEqual({ url, token: 'of-the-home' })
})

test('the token of the home is shown to no other server', async () => {
  await running()
  expect(await discoverServer({ CULM_HOME: home, CULM_SERVER: 'https://culm.example' })).toEqual({
    url: 'https://culm.example',
    token: null,
  })
  expect(await discoverServer({ CULM_HOME: home, CULM_SERVER: `${url}/` })).toMatchObject({ token: 'of-the-home' })
})

test('a home without a server, or whose server is gone, gets the command that starts one', async () => {
  await expect(discoverServer({ CULM_HOME: home })).rejects.toMatchObject({
    code: 'server_unknown',
    message: expect.stringContaining('npx culm up'),
  })
  // The highest pid of Linux is 2^22: no process has this one.
  await running(2 ** 22 + 1)
  await expect(discoverServer({ CULM_HOME: home })).rejects.toMatchObject({
    code: 'server_unknown',
    message: expect.stringContaining('does not run any more'),
  })
})

test('who has logged in somewhere speaks to that server, unless one runs here or is named', async () => {
  await keepLogin({ url: 'https://culm.example', token: 'of-the-login' }, { CULM_HOME: home })
  const there = { url: 'https://culm.example', token: 'of-the-login' }
  expect((await stat(join(home, 'login.json'))).mode & 0o777).toBe(0o600)
  expect(await discoverServer({ CULM_HOME: home })).toEqual(there)
  expect(await discoverServer({ CULM_HOME: home, CULM_SERVER: 'https://culm.example/' })).toMatchObject({
    token: 'of-the-login',
  })
  expect(await discoverServer({ CULM_HOME: home, CULM_SERVER: 'https://other.example' })).toMatchObject({ token: null })
  await running()
  expect(await discoverServer({ CULM_HOME: home })).toEqual({ url, token: 'of-the-home' })
  await running(2 ** 22 + 1)
  expect(await discoverServer({ CULM_HOME: home })).toEqual(there)
})

test('no machine is written down in the program: which there are is said to it', async () => {
  const written: string[] = []
  for (const folder of ['src', 'python/culm'])
    for (const file of await readdir(folder, { recursive: true })) {
      if (!/\.(ts|py)$/.test(file) || /\.test\.ts$|testing\//.test(file)) continue
      const text = await readFile(join(folder, file), 'utf8')
      for (const [, host] of text.matchAll(/\b(?:https?|wss?|ftp|tcp|ssh|postgres(?:ql)?):\/\/([a-z0-9][\w.-]*)/gi))
        written.push(host!)
    }
  const known = /^(127\.0\.0\.1|localhost|(.+\.)?example\.org|(force|no)-color\.org)$/
  expect(written.length).toBeGreaterThan(0)
  expect(written.filter((host) => !known.test(host))).toEqual([])
})
