import { chownSync, lstatSync, mkdirSync, realpathSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Environment } from '../../contract/environments.ts'
import type { As } from '../workFolder.ts'

/** What is installed for the payloads of an environment. `folder`: where it lies, and whatever is being made of it. */
export type Packages = { kind: 'requirements' | 'conda'; folder: string }

/** Puts the lock file where the packages will be made. Who makes them owns that folder, so that he can; payloads see it to read only where they have a view of their own. */
export const layOut = ({ requirements, conda }: Environment, folder: string, as: As): Packages | null => {
  const text = requirements ?? conda
  if (text === undefined) return null
  const kind = requirements === undefined ? 'conda' : 'requirements'
  mkdirSync(folder, { recursive: true, mode: 0o755 })
  for (const [name, content] of [
    [`${kind}.txt`, text],
    ['lock', ''],
  ] as const) {
    writeFileSync(join(folder, name), content, { flag: name === 'lock' ? 'a' : 'w' })
    if (as) chownSync(join(folder, name), as.uid, as.gid)
  }
  if (as) chownSync(folder, as.uid, as.gid)
  return { kind, folder }
}

/**
 * Makes the packages, unless another pilot has made them meanwhile or an earlier self of this one. They are made in a folder that keeps its name, since what is
 * installed has its own path written into it; a link to it is moved into place when all is there. `python`: what they are made for.
 */
export const makeCommand = ({ kind, folder }: Packages, python: string): string[] => [
  'sh',
  '-c',
  `${begin}${kind === 'requirements' ? byPip : byConda}${end}`,
  'sh',
  folder,
  python,
]

/** What an upgrade of the machine has broken is made anew: packages are kept below the version of the Python that they are for. */
const begin = `set -eu
cd "$1"
whole() { [ -d current/conda-meta ] || current/bin/python -c 'import os, sysconfig; os.stat(sysconfig.get_path("purelib"))' 2>/dev/null; }
if [ -e current ] && whole; then exit 0; fi
new=$(mktemp -d made.XXXXXX)
chmod 755 "$new"
trap 'rm -rf "$new"' EXIT
`

const byPip = `echo "[culm] makes an environment for $("$2" -V 2>&1) in $1/$new"
"$2" -m venv "$1/$new"
"$new/bin/python" -m pip install --disable-pip-version-check --no-input -r requirements.txt
`

const byConda = `for tool in micromamba mamba conda; do if command -v $tool >/dev/null 2>&1; then break; else tool=; fi; done
if [ -z "$tool" ]; then echo "[culm] none of micromamba, mamba and conda is installed here" >&2; exit 1; fi
echo "[culm] makes an environment by $tool in $1/$new"
$tool create --yes --quiet --prefix "$1/$new" --file conda.txt
`

/** A link replaces another one at once by being renamed; \`mv\` would move it into the folder that the other leads to. */
const end = `ln -s "$new" "next.$$"
if [ -e "$new/bin/python" ]; then "$new/bin/python" -c 'import os, sys; os.replace(*sys.argv[1:])' "next.$$" current; else mv -fT "next.$$" current; fi
trap - EXIT
`

/** Where the packages lie that were made. */
export const prefixOf = ({ folder }: Packages): string => realpathSync(join(folder, 'current'))

/** The interpreter among them, if there is one; a link to one that only the image has counts too. */
export const pythonOf = (prefix: string): string | undefined => {
  const python = join(prefix, 'bin', 'python')
  return lstatSync(python, { throwIfNoEntry: false }) ? python : undefined
}

/** What a shell does so that the programs of the packages are found before others; conda's packages have more to say. */
export const activationOf = ({ kind }: Packages, prefix: string): string => {
  const quoted = `'${prefix.replaceAll("'", `'\\''`)}'`
  if (kind === 'requirements') return `export VIRTUAL_ENV=${quoted} PATH=${quoted}/bin:"$PATH"; unset PYTHONHOME`
  return `export CONDA_PREFIX=${quoted} PATH=${quoted}/bin:"$PATH"; unset PYTHONHOME
for culm_file in "$CONDA_PREFIX"/etc/conda/activate.d/*.sh; do if [ -r "$culm_file" ]; then . "$culm_file"; fi; done`
}
