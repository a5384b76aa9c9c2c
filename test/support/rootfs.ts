import { execFileSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, realpathSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'

export type RootfsOptions = { programs?: readonly string[]; librariesOf?: readonly string[] }

const librariesIn = (program: string): string[] =>
  [...execFileSync('ldd', [program]).toString().matchAll(/\/\S+/g)].map(([library]) => library)

/** Makes `folder` the root of a small Linux: these programs of this machine with the libraries that they need, and those of others that are to run in it. */
export const makeRootfs = (
  folder: string,
  { programs = ['sh', 'cat', 'ls', 'sleep', 'id'], librariesOf = [] }: RootfsOptions = {},
): string => {
  for (const path of ['usr/bin', 'etc', 'proc', 'dev', 'tmp', 'var/empty'])
    mkdirSync(join(folder, path), { recursive: true })
  symlinkSync('usr/bin', join(folder, 'bin'))
  const copied = (path: string, to = path) => {
    mkdirSync(dirname(join(folder, to)), { recursive: true })
    if (!existsSync(join(folder, to))) copyFileSync(realpathSync(path), join(folder, to))
  }
  for (const name of programs) {
    const path = realpathSync(
      execFileSync('sh', ['-c', `command -v ${name}`])
        .toString()
        .trim(),
    )
    copied(path, `/usr/bin/${name}`)
    for (const library of librariesIn(path)) copied(library)
  }
  for (const program of librariesOf) for (const library of librariesIn(program)) copied(library)
  return folder
}
