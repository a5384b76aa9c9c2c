import { lstatSync, readdirSync, readlinkSync, statSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import type { Inside, Runtime } from '../../ports/runtime.ts'

/** The image that is the machine's own files, to be read only. */
const machine = 'host'

/** As distributions set it for those who have none. */
const usualPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** Runs what lies in a folder as if it were the root of the file system, such as an unpacked container image; or the machine's own files. Nothing of either can be changed. */
export const bubblewrapRuntime = ({ program }: { program: string }): Runtime => ({
  name: 'bubblewrap',
  needsAccount: false,
  refuses: (image) => {
    if (image === machine) return null
    if (!isAbsolute(image)) return `bubblewrap runs unpacked images (a folder, by its full path) and "${machine}"`
    return isFolder(image) ? null : `bubblewrap runs unpacked images, and there is no folder ${image}`
  },
  fetch: () => null,
  start: (wanted) => ({
    program,
    args: [...viewOf(wanted), '--chdir', wanted.cwd, '--', wanted.program, ...wanted.args],
    env: { PATH: usualPath, ...wanted.env },
  }),
})

const viewOf = (wanted: Inside): string[] => [
  ...(wanted.image === machine ? machineFiles(wanted.hidden) : imageFiles(wanted.image, wanted)),
  ...['--dev-bind', '/dev', '/dev', '--proc', '/proc'],
  ...wanted.read.flatMap((path) => ['--ro-bind', path, path]),
  ...wanted.write.flatMap((path) => ['--bind', path, path]),
  ...['--unshare-pid', '--die-with-parent'],
]

const machineFiles = (hidden: readonly string[]): string[] => [
  ...['--ro-bind', '/', '/'],
  ...['/tmp', '/var/tmp', ...hidden].filter(isFolder).flatMap((path) => ['--tmpfs', path]),
]

/** Made in the view itself, whatever the image has there. */
const made = ['/dev', '/proc', '/sys', '/tmp', '/run']

/** Files by which the machine finds others; the image's own know nothing of its network. */
const networkFiles = ['/etc/resolv.conf', '/etc/hosts']

const imageFiles = (image: string, { read, write }: Inside): string[] => [
  ...filesOf(image, '/', [...read, ...write]),
  ...['--tmpfs', '/tmp', '--tmpfs', '/run', '--ro-bind-try', '/sys', '/sys'],
  ...networkFiles.filter((path) => isPlainFile(join(image, path))).flatMap((path) => ['--ro-bind-try', path, path]),
]

/**
 * What the image has in `folder`. Nothing can be put into a folder that is shown as it is: one that must hold something of the machine is made anew, with what the
 * image has in it.
 */
const filesOf = (image: string, folder: string, places: readonly string[]): string[] =>
  readdirSync(join(image, folder)).flatMap((name) => {
    const path = join(folder, name)
    if (made.includes(path) || places.includes(path)) return []
    const source = join(image, path)
    const found = lstatSync(source)
    if (found.isSymbolicLink()) return ['--symlink', readlinkSync(source), path]
    const holdsPlace = found.isDirectory() && places.some((place) => place.startsWith(`${path}/`))
    return holdsPlace ? ['--dir', path, ...filesOf(image, path, places)] : ['--ro-bind', source, path]
  })

const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false

const isPlainFile = (path: string): boolean => lstatSync(path, { throwIfNoEntry: false })?.isFile() ?? false
