import { execFileSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, realpathSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** Makes `folder` the root of a small Linux: these programs of this machine with the libraries that they need. */
export const makeRootfs = (
  folder: string,
  programs: readonly string[] = ['sh', 'cat', 'ls', 'sleep', 'id'],
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
    for (const [library] of execFileSync('ldd', [path]).toString().matchAll(/\/\S+/g)) copied(library)
  }
  return folder
}
