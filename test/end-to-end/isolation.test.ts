import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Payload } from '../../src/contract/tasks.ts'
import { sha256 } from '../../src/lib/digest.ts'
import { files } from '../../src/main/files.ts'
import { chooseIsolation } from '../../src/main/isolation.ts'
import { FakeServer } from '../../src/pilot/testing/fakeServer.ts'
import { startTestPilot, type TestPilot } from '../../src/pilot/testing/startTestPilot.ts'
import { describeNeeding } from '../support/needs.ts'
import { type Running, run } from '../support/processes.ts'

/** A home with credentials in it, in which the pilot has its folder, as `culm up` makes it. */
let home: string
let server: FakeServer
beforeEach(async () => {
  home = join(await mkdtemp(join(tmpdir(), 'culm-isolation-')), 'home')
  mkdirSync(join(home, 'run'), { recursive: true, mode: 0o700 })
  writeFileSync(join(home, 'token'), 'the-token-of-the-owner\n', { mode: 0o600 })
  server = await new FakeServer().start()
})
afterEach(async () => {
  await server.stop()
  await rm(join(home, '..'), { recursive: true, force: true })
})

const sh = (script: string): Payload => ({ kind: 'command', command: ['sh', '-c', script] })

/** What a script of this owner printed, once it has ended. */
const saidBy = async (ownerId: string, script: string): Promise<string> => {
  const jobId = server.submit({ payload: sh(`{ ${script}\n} 2>&1; echo :end`), ownerId })
  await server.said(jobId, 'stdout', ':end')
  return server.output.get(`${jobId}:stdout`)!.replace(/:end\n$/, '')
}

const functionOf = (body: string): Payload => ({
  kind: 'function',
  bundle: server.bundle({ 'm.mjs': `import * as fs from 'node:fs'\nexport const f = async (...args) => { ${body} }` }),
  module: 'm.mjs',
  export: 'f',
  language: 'node',
})

const valueFor = async (ownerId: string, payload: Payload, args: unknown[] = []): Promise<unknown> => {
  const report = await server.ended(server.submit({ payload, ownerId, args }))
  if (report.what !== 'finished') throw new Error(JSON.stringify(report.error))
  const { text, blob } = report.value as { text?: string; blob?: string }
  return JSON.parse(text ?? server.blobs.get(blob!)!.toString())
}

const isRoot = process.getuid?.() === 0
const here = await chooseIsolation({ home: '/none', env: process.env, own: null })
const noUsers = !isRoot ? 'only root can start programs as other users' : here.isolation.users ? null : here.says
const noViews = here.isolation.bubblewrap ? null : 'bubblewrap is missing or not allowed; apt-get install bubblewrap'

describeNeeding(noUsers)('a pilot of root', () => {
  let pilot: TestPilot
  beforeEach(async () => {
    const { isolation } = await chooseIsolation({ home, env: process.env, own: 'u1' })
    // Without views: what other users keep apart must not need them.
    pilot = await startTestPilot(server, { folder: join(home, 'pilot'), isolation: { ...isolation, bubblewrap: null } })
  })
  afterEach(async () => {
    await pilot.close()
    await rm(`/var/lib/culm/pilots/${sha256(join(home, 'pilot')).slice(0, 16)}`, { recursive: true, force: true })
  })

  test('runs payloads of other owners as a user of their own, with a home and folders that are closed to others', async () => {
    const [two, three] = await Promise.all(['u2', 'u3'].map((owner) => saidBy(owner, 'id -u; id -G; echo $HOME; pwd')))
    const [uid, groups, ownHome, folder] = two!.split('\n')
    expect(Number(uid)).toBeGreaterThan(60_000)
    expect(groups).toBe(uid)
    expect(three!.split('\n')[0]).not.toBe(uid)

    await saidBy('u2', 'echo mine > $HOME/file; echo mine > $TMPDIR/file; echo mine > /tmp/culm-isolation-file')
    const tries = `ls ${ownHome}; cat ${ownHome}/file; ls ${folder}/..; cat /tmp/culm-isolation-file; cat ${home}/token`
    const lines = (await saidBy('u3', tries)).trim().split('\n')
    expect(lines).toHaveLength(5)
    for (const line of lines) expect(line).toMatch(/Permission denied/)
    expect(await saidBy('u2', 'cat $HOME/file $TMPDIR/file; rm /tmp/culm-isolation-file')).toBe('mine\nmine\n')
  })

  test('leaves its own owner what is his', async () => {
    expect(await saidBy('u1', `id -u; cat ${home}/token`)).toBe(`${process.getuid!()}\nthe-token-of-the-owner\n`)
  })

  test('gives no payload a credential in its environment, or that of another process', async () => {
    expect(await saidBy('u2', 'env')).not.toMatch(/TOKEN|PASSWORD|SECRET|DATABASE/)
    expect(await saidBy('u2', `cat /proc/${process.pid}/environ`)).toMatch(/Permission denied/)
  })

  test('takes them into a folder that they name only as far as they may go there themselves', async () => {
    const closed = join(home, 'closed')
    mkdirSync(closed, { mode: 0o755 })
    writeFileSync(join(closed, 'file'), 'inside', { mode: 0o644 })
    const payload = { ...sh('cat file'), folder: closed } as Payload
    expect((await server.ended(server.submit({ payload, ownerId: 'u2' }))).what).toBe('failed')
    const open = { ...sh('pwd; cat file || echo none'), folder: tmpdir() } as Payload
    expect((await server.ended(server.submit({ payload: open, ownerId: 'u2' }))).what).toBe('finished')
  })

  test('runs their functions with arguments and results of any size', async () => {
    const payload = functionOf('return [process.getuid(), args[0].length, "y".repeat(2_000_000)]')
    const [uid, length, large] = (await valueFor('u2', payload, ['x'.repeat(3)])) as [number, number, string]
    expect([length, large.length]).toEqual([3, 2_000_000])
    expect(uid).toBeGreaterThan(60_000)
    const text = JSON.stringify({ a: ['z'.repeat(2_000_000)] })
    const args = { blob: server.store(text), bytes: text.length }
    const report = await server.ended(server.submit({ payload, ownerId: 'u2', args }))
    expect(report).toMatchObject({ what: 'finished' })
  })

  test('reads no file for a payload that is not its own', async () => {
    // What the runner says of its result is the payload's to change: it tells of a link to a file that only root can read.
    const link = (target: string) => `
      const { Socket } = await import('node:net')
      fs.symlinkSync(${JSON.stringify(target)}, 'result')
      const said = Socket.prototype.write
      Socket.prototype.write = function (text, ...rest) {
        const lie = String(text).startsWith('{"t":"done"')
          ? JSON.stringify({ ...JSON.parse(text), value: { file: process.cwd() + '/result' } }) + '\\n'
          : text
        return said.call(this, lie, ...rest)
      }
      return 1`
    for (const owner of ['u1', 'u2']) {
      const report = await server.ended(
        server.submit({ payload: functionOf(link(join(home, 'token'))), ownerId: owner }),
      )
      expect(report.error).toMatchObject({ type: 'ResultMisplaced' })
    }
    expect([...server.blobs.values()].some((bytes) => bytes.includes('the-token-of-the-owner'))).toBe(false)
  })

  test('removes what they leave, and nothing that a link of theirs points to', async () => {
    const kept = join(home, 'kept')
    mkdirSync(kept)
    writeFileSync(join(kept, 'file'), '')
    chmodSync(kept, 0o777)
    const said = await saidBy('u2', `mkdir -p a/b; ln -s ${kept} a/b/link; mkdir shut; touch shut/x; chmod 0 shut; pwd`)
    await expect.poll(() => execFileSync('ls', [join(said.trim(), '..')]).toString()).toBe('')
    expect(execFileSync('ls', [kept]).toString()).toBe('file\n')
  })

  test('lays what an earlier attempt has kept into a folder that is theirs, and theirs alone', async () => {
    const jobId = server.submit({
      payload: sh(
        'id -u; stat -c "%u %a" . state state/model; echo more >> state/model && cat state/model; pwd; sleep 600',
      ),
      ownerId: 'u2',
      kept: { 'state/model': 'weights\n' },
    })
    await server.said(jobId, 'stdout', '/jobs/')
    const [uid, ...lines] = server.output.get(`${jobId}:stdout`)!.trim().split('\n')
    expect(Number(uid)).toBeGreaterThan(60_000)
    expect(lines.slice(0, 5)).toEqual([`${uid} 700`, `${uid} 700`, `${uid} 600`, 'weights', 'more'])
    expect(await saidBy('u3', `cat ${lines[5]}/state/model`)).toMatch(/Permission denied/)
    server.cancel(jobId)
    await server.ended(jobId)
    const payload = functionOf(
      'fs.appendFileSync("state/model", "more"); return fs.readFileSync("state/model", "utf8")',
    )
    const report = await server.ended(server.submit({ payload, ownerId: 'u2', kept: { 'state/model': 'weights ' } }))
    expect(report.value).toEqual({ text: '"weights more"' })
  })

  test('gives their secrets to them alone', async () => {
    const secrets = [{ name: 'db', file: 'db.txt', value: Buffer.from('hunter2!').toString('base64') }]
    const jobId = server.submit({
      payload: sh('stat -c "%u %a" $CULM_SECRETS/db.txt; echo $CULM_SECRETS; wc -c < $CULM_SECRETS/db.txt; sleep 600'),
      ownerId: 'u2',
      secrets,
    })
    await server.said(jobId, 'stdout', '\n8\n')
    const [owner, folder] = server.output.get(`${jobId}:stdout`)!.split('\n')
    expect(owner).toMatch(/^\d{5,} 600$/)
    expect(await saidBy('u3', `cat ${folder}/db.txt`)).toMatch(/Permission denied/)
    server.cancel(jobId)
    await server.ended(jobId)
  })
})

/** What a job is given that was begun before, and what it makes of it. */
const restoredBy = async (ownerId: string, script: string): Promise<string> => {
  const payload = sh(`{ ${script}\n} 2>&1; echo :end`)
  const jobId = server.submit({ payload, ownerId, kept: { 'state/model': 'weights\n' } })
  await server.said(jobId, 'stdout', ':end')
  return server.output.get(`${jobId}:stdout`)!.replace(/:end\n$/, '')
}

describeNeeding(noViews)('a pilot with bubblewrap', () => {
  let pilot: Running
  /** As an ordinary user where we are root, else as who we are. */
  const start = async (own: string) => {
    const user = isRoot ? ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups'] : []
    if (isRoot)
      for (const path of [join(home, '..'), home, join(home, 'run'), join(home, 'token')]) chownSync(path, 65534, 65534)
    const env = {
      CULM_HOME: home,
      HOME: join(home, '..'),
      CULM_SERVER: server.url,
      CULM_PILOT_TOKEN: 'token-of-the-pilot',
    }
    const [program, ...args] = [
      ...user,
      process.execPath,
      files.cli,
      'pilot',
      '--own',
      own,
      '--grace',
      '1',
      '--slots',
      '2',
    ]
    pilot = run(program!, args, env)
    await pilot.says('registered')
  }
  afterEach(() => pilot.kill('SIGTERM'))

  test('gives its own owner a view without the home of the installation and without other processes', async () => {
    await start('u1')
    writeFileSync(join(home, '..', 'data'), 'my data', { mode: 0o644 })
    expect(await saidBy('u1', `ls ${home}; cat ${home}/token; cat ${home}/../data`)).toMatch(
      /^pilot\ncat: .*No such file.*\nmy data$/,
    )
    expect(await saidBy('u1', 'for p in /proc/[0-9]*; do tr "\\0" "\\n" < $p/environ; done')).not.toContain(
      'token-of-the-pilot',
    )
  })

  test('gives other owners a view without his files and without those of each other', async () => {
    await start('u1')
    const [ownHome, folder] = (
      await saidBy('u2', 'echo mine > $HOME/file; echo mine > /tmp/file; echo $HOME; pwd')
    ).split('\n')
    expect(await saidBy('u2', 'cat $HOME/file')).toBe('mine\n')
    const tries = `cat ${ownHome}/file; ls ${folder}/..; cat /tmp/file; cat ${home}/token; cat ${home}/../data; ls ${tmpdir()}`
    writeFileSync(join(home, '..', 'data'), 'his data', { mode: 0o644 })
    expect(await saidBy('u3', tries)).not.toMatch(/mine|data$|token-of/m)
  })

  test('lays what an earlier attempt has kept into their folders', async () => {
    await start('u1')
    for (const owner of ['u1', 'u2'])
      expect(await restoredBy(owner, 'echo more >> state/model && cat state/model; ls')).toBe('weights\nmore\nstate\n')
  })

  test('runs functions, and tells how a program ended', async () => {
    await start('u1')
    for (const owner of ['u1', 'u2']) {
      expect(await valueFor(owner, functionOf('return ["y".repeat(2_000_000).length, args[0]]'), [3])).toEqual([
        2_000_000, 3,
      ])
      const ends = async (payload: Payload) => server.ended(server.submit({ payload, ownerId: owner }))
      expect(await ends(sh('exit 3'))).toMatchObject({ exitCode: 3 })
      expect(await ends(sh('kill -SEGV $$'))).toMatchObject({ signal: 'SIGSEGV' })
      expect(await ends({ kind: 'command', command: ['no-such-program'] })).toMatchObject({
        error: { type: 'CommandNotFound' },
      })
    }
  })
})
