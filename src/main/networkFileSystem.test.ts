import { expect, test } from 'vitest'
import { deviceName, mountTypeOf, networkFileSystem } from './networkFileSystem.ts'

const table = `
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
40 22 0:45 / /home/ada/far\\040away rw,nosuid,nodev - fuse.sshfs ada@far:/data rw,user_id=1000
41 22 0:46 / /media/stick rw shared:7 master:1 - fuseblk /dev/sdb1 rw
`

test('the type of a mount is found by its device, whatever optional fields its line has', () => {
  expect(mountTypeOf(table, '0:45')).toBe('fuse.sshfs')
  expect(mountTypeOf(table, '0:46')).toBe('fuseblk')
  expect(mountTypeOf(table, '0:47')).toBeUndefined()
})

test('a device number is taken apart as the C library packs it', () => {
  expect(deviceName(0xfe00n)).toBe('254:0')
  expect(deviceName(0x2dn)).toBe('0:45')
  expect(deviceName(0x12345067n)).toBe('1104:74599')
})

test.runIf(process.platform === 'linux')('a local disk is no network file system', async () => {
  expect(await networkFileSystem('/', 0xef53)).toBeUndefined()
  expect(await networkFileSystem('/', 0x9123683e)).toBeUndefined()
})

test.runIf(process.platform === 'linux')('FUSE that is not known to be local is taken as remote', async () => {
  expect(await networkFileSystem('/proc', 0x65735546)).toBe('proc')
})
