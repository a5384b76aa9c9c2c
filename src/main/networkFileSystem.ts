import { readFile, stat } from 'node:fs/promises'

/**
 * The name of the network file system that `path` is on, or undefined for a local disk. `type` is `f_type` of
 * statfs(2).
 *
 * PostgreSQL needs locks, `fsync` and `rename` to mean what they say on one machine, over a lifetime longer than that
 * of an AFS token or a Kerberos ticket; sites put home folders on AFS, NFS and the like as a rule, so this is asked
 * first of all. Only Linux has fixed numbers: elsewhere the answer is always undefined.
 */
export const networkFileSystem = async (path: string, type: number): Promise<string | undefined> => {
  if (process.platform !== 'linux') return undefined
  const magic = type >>> 0
  if (magic === fuse) return remoteFuse(await fuseTypeOf(path))
  return remoteByMagic.get(magic)
}

/**
 * Numbers from statfs(2) and the kernel's include/uapi/linux/magic.h; those of file systems outside the kernel's tree
 * (Lustre, GPFS, BeeGFS, PanFS …) from the table of GNU coreutils, src/stat.c, which also says which are remote. Not in
 * it, on purpose: 9p, which is what sandboxes and virtual machines show for local folders of their host.
 */
const remoteByMagic = new Map<number, string>([
  [0x5346414f, 'AFS'],
  [0x6b414653, 'AFS'],
  [0x6969, 'NFS'],
  [0x0bd00bd0, 'Lustre'],
  [0x47504653, 'GPFS'],
  [0x19830326, 'BeeGFS'],
  [0x00c36400, 'CephFS'],
  [0xaad7aaea, 'PanFS'],
  [0xff534d42, 'CIFS'],
  [0xfe534d42, 'SMB'],
  [0x517b, 'SMB'],
  [0x20030528, 'OrangeFS'],
  [0x01161970, 'GFS2'],
  [0x7461636f, 'OCFS2'],
  [0xbeefdead, 'StorNext'],
  [0x61636673, 'ACFS'],
  [0x013111a8, 'IBRIX'],
  [0x73757245, 'Coda'],
  [0x564c, 'NCP'],
])

const fuse = 0x65735546

/**
 * Local disks seen through FUSE. All else of FUSE is taken as remote (sshfs, glusterfs, eosxd, cvmfs, rclone, …): the
 * list is open.
 */
const localFuse = new Set([
  'fuseblk',
  'virtiofs',
  'fuse.fuse-overlayfs',
  'fuse.mergerfs',
  'fuse.bindfs',
  'fuse.gocryptfs',
  'fuse.ntfs-3g',
])

const remoteFuse = (type: string | undefined): string | undefined => {
  if (type === undefined) return 'FUSE'
  return localFuse.has(type) ? undefined : type
}

/**
 * The type in the mount table of the device that `path` is on, such as `fuse.sshfs`; undefined when the table cannot be
 * read.
 */
const fuseTypeOf = async (path: string): Promise<string | undefined> => {
  const { dev } = await stat(path, { bigint: true })
  const table = await readFile('/proc/self/mountinfo', 'utf8').catch(() => '')
  return mountTypeOf(table, deviceName(dev))
}

/**
 * Finds `major:minor` in the text of /proc/self/mountinfo, whose type stands after the lone dash
 * (proc_pid_mountinfo(5)).
 */
export const mountTypeOf = (table: string, device: string): string | undefined => {
  const line = table.split('\n').find((text) => text.split(' ')[2] === device)
  return line?.split(' - ')[1]?.split(' ')[0]
}

/** `major:minor` of a device number, as makedev(3) packs it. */
export const deviceName = (dev: bigint): string => {
  const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & ~0xfffn)
  const minor = (dev & 0xffn) | ((dev >> 12n) & ~0xffn)
  return `${major}:${minor}`
}
