import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { conformRuntime } from '../../../test/conformance/runtime.ts'
import { describeNeeding } from '../../../test/support/needs.ts'
import { makeRootfs } from '../../../test/support/rootfs.ts'
import { bubblewrapRuntime } from './bubblewrap.ts'

const works =
  spawnSync('bwrap', ['--dev-bind', '/', '/', '--unshare-pid', '--proc', '/proc', '--', 'true']).status === 0
const missing = works ? null : 'bubblewrap is missing or not allowed; apt-get install bubblewrap'

const scratch = mkdtempSync(join(tmpdir(), 'culm-bubblewrap-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))
const runtime = bubblewrapRuntime({ program: 'bwrap' })
/** Places of the machine lie in a folder that this image has too, with something in it. */
const image = () => {
  const folder = makeRootfs(join(scratch, `image-${++images}`))
  mkdirSync(join(folder, scratch, '..', 'of-the-image'), { recursive: true })
  writeFileSync(join(folder, 'etc/name'), 'of the image')
  return folder
}
let images = 0

describeNeeding(missing)('bubblewrap', () => {
  describe('with an unpacked image', () => conformRuntime(() => ({ runtime, image: image(), keepsApart: true })))
  describe('with the files of the machine', () => conformRuntime(() => ({ runtime, image: 'host', keepsApart: true })))

  const said = (folder: string, script: string, read: string[]): string => {
    const { program, args, env } = runtime.start({
      ...{ image: folder, program: 'sh', args: ['-c', script], env: {}, cwd: '/', gpus: false, channel: false },
      ...{ read, write: [], hidden: [], ownEnv: {}, pidFile: '' },
    })
    return execFileSync(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'] }).toString()
  }

  test('shows what the image has, with what was given in the midst of it', () => {
    const folder = image()
    mkdirSync(join(folder, 'opt/tools/own'), { recursive: true })
    writeFileSync(join(folder, 'opt/tools/own/file'), 'own')
    const place = join(scratch, 'place')
    mkdirSync(place, { recursive: true })
    writeFileSync(join(place, 'file'), 'given')
    expect(said(folder, 'cat /etc/name', [])).toBe('of the image')
    const given = join(folder, 'opt/tools/given') // the same path on the machine and inside
    mkdirSync(given)
    const inside = said(folder, `cat ${place}/file; ls ${scratch}; ls -d /opt/tools/own; ls /bin/sh`, [place])
    expect(inside).toBe('givenplace\n/opt/tools/own\n/bin/sh\n')
  })

  test('changes nothing of the image', () => {
    const folder = image()
    expect(() => said(folder, 'echo changed > /etc/name', [])).toThrow()
    expect(said(folder, 'cat /etc/name; echo x > /tmp/x && cat /tmp/x', [])).toBe('of the imagex\n')
  })
})

test('it refuses what is no folder', () => {
  expect(runtime.refuses('docker.io/library/python:3.12')).toMatch(/unpacked images/)
  expect(runtime.refuses('/no/such/folder')).toMatch(/no folder \/no\/such\/folder/)
  expect(runtime.refuses('/etc/hostname')).toMatch(/no folder/)
})
