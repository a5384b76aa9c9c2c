import { describe, expect, test } from 'vitest'
import { chooseRunAs, commandAs, ownerOnDisk, parsePasswd } from './runAs.ts'

const passwd = `root:x:0:0:root:/root:/bin/bash
toor:x:0:0::/root:/bin/sh
# a comment
+::::::
postgres:x:108:115:PostgreSQL administrator,,,:/var/lib/postgresql:/bin/bash
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
`

test('users are read from the passwd file, without root by any name, comments and NIS marks', () => {
  expect(parsePasswd(passwd)).toEqual([
    { name: 'postgres', uid: 108, gid: 115 },
    { name: 'nobody', uid: 65534, gid: 65534 },
  ])
})

describe('the command', () => {
  test('is the program itself for an ordinary user', () => {
    expect(commandAs({ kind: 'self' }, 'initdb', ['-D', '/d'])).toEqual({ file: 'initdb', args: ['-D', '/d'] })
  })

  test('is unshare in a namespace, which does not fork, so that the process id is PostgreSQL’s own', () => {
    const { file, args } = commandAs({ kind: 'namespace', uid: 65534, gid: 65533 }, 'initdb', ['-D', '/d'])
    expect([file, ...args].join(' ')).toBe('unshare --user --map-user=65534 --map-group=65533 -- initdb -D /d')
    expect(ownerOnDisk({ kind: 'namespace', uid: 65534, gid: 65533 })).toBe(process.geteuid?.())
  })

  test('is run by the system as another user, who owns the files', () => {
    const nobody = { kind: 'user', uid: 65534, gid: 65534 } as const
    expect(commandAs(nobody, 'initdb', [])).toEqual({ file: 'initdb', args: [], uid: 65534, gid: 65534 })
    expect(ownerOnDisk(nobody)).toBe(65534)
  })
})

test('an ordinary user runs PostgreSQL as himself, and root never as root', async () => {
  const isRoot = process.geteuid?.() === 0
  expect((await chooseRunAs('/nowhere')).kind === 'self').toBe(!isRoot)
})
