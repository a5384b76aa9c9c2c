import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Inside, Runtime } from '../../src/ports/runtime.ts'

/** A runtime, and an image of it that has `sh`, `cat`, `ls`, `sleep` and a Linux. Without an image programs run on the machine itself, and nothing is kept from them. */
export type Conforming = { runtime: Runtime; image: string; keepsApart: boolean; ownEnv?: Record<string, string> }

/** What every runtime must do; an adapter's test calls this with one that works. */
export const conformRuntime = (make: () => Conforming | Promise<Conforming>): void => {
  let made: Conforming
  /** A folder to read, one to write, and one of which nothing may be seen; all below one that stands for a pilot's. */
  let places: { top: string; read: string; write: string; secret: string }
  beforeAll(async () => {
    made = await make()
    const top = realpathSync(mkdtempSync(join(tmpdir(), 'culm-runtime-')))
    chmodSync(top, 0o755)
    places = { top, read: join(top, 'read'), write: join(top, 'write'), secret: join(top, 'secret') }
    for (const [name, text] of [
      ['read', 'to be read'],
      ['write', 'to be written'],
      ['secret', 'not to be seen'],
    ] as const) {
      mkdirSync(places[name])
      writeFileSync(join(places[name], 'file'), text)
    }
  })
  afterAll(() => rmSync(places.top, { recursive: true, force: true }))

  const start = (program: string, args: string[], more: Partial<Inside> = {}) => {
    const pidFile = join(places.top, `pid-${++started}`)
    const { top, read, write } = places
    const {
      program: launched,
      args: withArgs,
      ...launch
    } = made.runtime.start({
      ...{
        image: made.image,
        program,
        args,
        env: {},
        cwd: write,
        gpus: false,
        channel: false,
        read: [read],
        write: [write],
      },
      ...{ hidden: [top], ownEnv: made.ownEnv ?? { PATH: process.env.PATH!, HOME: process.env.HOME! }, pidFile },
      ...more,
    })
    const channel = more.channel ? ['pipe' as const] : []
    const child = spawn(launched, withArgs, {
      ...{ cwd: made.keepsApart ? '/' : (more.cwd ?? write), env: launch.env, detached: true },
      stdio: ['ignore', 'pipe', 'pipe', ...channel],
    })
    const said = { out: '', err: '' }
    child.stdout!.on('data', (chunk) => (said.out += chunk))
    child.stderr!.on('data', (chunk) => (said.err += chunk))
    const ended = once(child, 'close').then(([code, signal]) => ({ code, signal, ...said }))
    return { child, said, ended, pidFile: launch.pidFile, channel: child.stdio[3] as Duplex | undefined }
  }
  let started = 0
  const sh = (script: string, more?: Partial<Inside>) => start('sh', ['-c', script], more).ended

  test('a program gets its arguments and its variables, starts in its folder, and is heard on both streams', async () => {
    const args = ['-c', 'echo "$#:$1:$2"; echo "$MINE $HOME"; cat file; echo err >&2', 'sh', 'a b', '$x\n"\'']
    const { code, out, err } = await start('sh', args, { env: { MINE: 'my own=value', HOME: '/my/home' } }).ended
    expect({ code, out, err }).toEqual({
      code: 0,
      out: '2:a b:$x\n"\'\nmy own=value /my/home\nto be written',
      err: 'err\n',
    })
  })

  test('it ends as the program ends', async () => {
    expect(await sh('exit 3')).toMatchObject({ code: 3, signal: null })
    expect(await sh('sh -c "kill -SEGV \\$\\$"; exit $?')).toMatchObject({ code: 139 })
    const { code, signal, err } = await start('no-such-program-here', []).ended.catch((error) => ({
      code: error.code,
      signal: null,
      err: String(error),
    }))
    expect(code === 0 || signal !== null).toBe(false)
    expect(err).toContain('no-such-program-here')
  })

  test('file descriptor 3 is passed on, both ways', async () => {
    const { channel, ended } = start('sh', ['-c', 'read line <&3; echo "heard $line" >&3'], { channel: true })
    channel!.write('a word\n')
    expect(String((await once(channel!, 'data'))[0])).toBe('heard a word\n')
    expect((await ended).code).toBe(0)
  })

  test('of the machine it can change what it was given to write, and nothing else', async () => {
    const { write, read } = places
    expect((await sh(`echo mine > ${write}/new; cat ${read}/file`)).out).toBe('to be read')
    expect(readFileSync(join(write, 'new'), 'utf8')).toBe('mine\n')
    if (!made.keepsApart) return
    expect((await sh(`echo changed > ${read}/file`)).code).not.toBe(0)
    expect(readFileSync(join(read, 'file'), 'utf8')).toBe('to be read')
  })

  test('it sees no file of the machine and no process but its own', async () => {
    if (!made.keepsApart) return
    expect((await sh(`cat ${places.secret}/file; ls ${places.top}`)).out.trim().split('\n').sort()).toEqual([
      'read',
      'write',
    ])
    const { out } = await sh('ls -d /proc/[0-9]*')
    expect(out.trim().split('\n').length).toBeLessThan(6)
    expect(out).not.toContain(`/proc/${process.pid}\n`)
    const { out: variables } = await sh('cat /proc/self/environ', { env: { MINE: 'x' } })
    expect(variables.split('\0').filter((line) => /^(npm_|VITEST|NODE_|USER=)/.test(line))).toEqual([])
  })

  test('nothing of it is left when its processes are killed', async () => {
    const { child, said, ended, pidFile } = start('sh', ['-c', 'echo up; sleep 600; echo slept'])
    await expect.poll(() => said.out, { timeout: 30_000 }).toBe('up\n')
    const first = pidFile === undefined ? undefined : Number(readFileSync(pidFile, 'utf8'))
    if (first !== undefined) process.kill(first, 'SIGKILL')
    process.kill(-child.pid!, 'SIGKILL')
    expect((await ended).out).toBe('up\n')
    if (first !== undefined) await expect.poll(() => existsSync(`/proc/${first}`), { timeout: 30_000 }).toBe(false)
  })

  test('what it cannot run it refuses in a sentence, without a try', () => {
    expect(made.runtime.refuses('./beside/me')).toMatch(/\w+ \w+/)
    if (made.keepsApart) expect(made.runtime.refuses(made.image)).toBeNull()
  })
}
