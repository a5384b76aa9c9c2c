/**
 * What `npm start`, `npm test` and the other scripts of this repository need first: packages as the lock says, and a build of the sources as they are.
 * `node scripts/start.mjs [--once]` goes on to start Culm and run the example; `import { prepare }` does the first part only. Plain JavaScript without packages,
 * since it runs before there are any.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const at = (file) => path.join(root, file)

const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`error: Culm needs Node 20.19 or later; this is ${process.versions.node}`)
  process.exit(1)
}

const digestOf = (file) => createHash('sha256').update(readFileSync(file)).digest('hex')

/** Installs when the lock is not the one that was installed last. */
const installPackages = () => {
  const stamp = at('node_modules/.culm-lock')
  const wanted = digestOf(at('package-lock.json'))
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return
  console.error('installing packages (npm ci) …')
  const { status } = spawnSync(
    'npm',
    ['ci', '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error'],
    { cwd: root, stdio: ['ignore', 2, 2], shell: process.platform === 'win32' },
  )
  if (status !== 0) {
    console.error('error: npm ci failed; its own words are above')
    process.exit(1)
  }
  writeFileSync(stamp, wanted)
}

/** Builds when a source is newer than what was built. */
const buildSources = async () => {
  const built = existsSync(at('dist/culm.js')) ? statSync(at('dist/culm.js')).mtimeMs : 0
  const sources = ['src', 'monitor', 'scripts', 'package.json'].flatMap((name) => filesBelow(at(name)))
  if (sources.every((file) => statSync(file).mtimeMs < built)) return
  console.error('building …')
  const { build } = await import('./build.mjs')
  await build()
}

const filesBelow = (place) =>
  statSync(place).isDirectory()
    ? readdirSync(place, { recursive: true, withFileTypes: true })
        .filter((e) => e.isFile())
        .map((e) => path.join(e.parentPath ?? e.path, e.name))
    : [place]

export const prepare = async () => {
  installPackages()
  await buildSources()
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await prepare()
  // In this process, so that Ctrl-C and signals need no passing on.
  process.argv = [
    process.argv[0],
    at('dist/culm.js'),
    'up',
    '--run',
    at('examples/hpo/hpo.ts'),
    ...process.argv.slice(2),
  ]
  process.setSourceMapsEnabled(true)
  await import('../dist/culm.js')
}
