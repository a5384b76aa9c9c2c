import { execFile } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { extname, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { Command } from 'commander'
import { Fault } from '../lib/fault.ts'
import type { Cli } from './cli.ts'
import { UsageError } from './errors.ts'
import { table } from './look/table.ts'
import { interpreterOf, pythonEnvironment } from './python.ts'

type Options = { list?: boolean; python?: string }

/** What a bundle would hold. */
type Shipped = {
  bundle: string
  language: 'node' | 'python'
  files: { path: string; bytes: number; hash: string }[]
  bytes: number
  ignored: { path: string; why: string }[]
  notes: string[]
}

/** So many files are shown without `--list`. */
const fewFiles = 10

export const bundleCommand = (cli: Cli): Command =>
  new Command('bundle')
    .description('show what would be shipped to workers with the works of a file, and send nothing')
    .argument('<file>', 'TypeScript, JavaScript or Python; or the folder of a package')
    .option('--list', 'every file, and not only the largest')
    .option('--python <path>', 'the interpreter for Python; that of VIRTUAL_ENV, else python3')
    .addHelpText(
      'after',
      `
  culm bundle analysis.py
  culm bundle analysis.ts --list

A file .culmignore, in the syntax of .gitignore, names what is left out.`,
    )
    .action(async (file: string, options: Options) => {
      const shipped = await shippedWith(cli, resolve(cli.world.cwd, file), file, options)
      if (cli.json) return cli.printJson(shipped)
      cli.print(...linesOf(cli, shipped, options.list === true))
    })

const shippedWith = async (cli: Cli, path: string, named: string, options: Options): Promise<Shipped> => {
  if (!existsSync(path)) throw new UsageError(`there is no file ${named}`, 'culm bundle --help')
  const entry = statSync(path).isDirectory() ? entryOf(path) : path
  if (entry !== undefined && scripts.includes(extname(entry))) return ofModule(entry)
  if (entry === undefined || extname(entry) === '.py') return ofPython(cli, path, options)
  throw new UsageError(`${named} is neither TypeScript, JavaScript nor Python`, 'culm bundle --help')
}

const scripts = ['.ts', '.mts', '.cts', '.js', '.mjs', '.cjs', '.tsx', '.jsx']

/** The module that a folder stands for in JavaScript; undefined for a package of Python. */
const entryOf = (folder: string): string | undefined => {
  const index = readdirSync(folder).find((name) => /^index\.[cm]?[jt]sx?$/.test(name))
  const named = mainOf(join(folder, 'package.json')) ?? index
  return named && join(folder, named)
}

const mainOf = (packageJson: string): string | undefined => {
  if (!existsSync(packageJson)) return undefined
  const { main } = JSON.parse(readFileSync(packageJson, 'utf8')) as { main?: unknown }
  return typeof main === 'string' ? main : undefined
}

const importedOnly = 'What it imports is compiled into these, and nothing else is.'

/** Only what is imported is compiled, so that nothing has to be left out. */
const ofModule = async (file: string): Promise<Shipped> => {
  const { buildBundle } = await import('../sdk/bundle/buildBundle.ts')
  const { hash, manifest } = await buildBundle(realpathSync(file))
  const bytes = manifest.files.reduce((sum, each) => sum + each.bytes, 0)
  return { bundle: hash, language: 'node', files: manifest.files, bytes, ignored: [], notes: [importedOnly] }
}

/** Python knows best what Python imports. */
const ofPython = async (cli: Cli, path: string, { python = interpreterOf(cli) }: Options): Promise<Shipped> => {
  const options = { cwd: cli.world.cwd, env: pythonEnvironment(cli), maxBuffer: 100_000_000 }
  const { stdout } = await promisify(execFile)(python, ['-m', 'culm._shipped', path], options).catch((error) => {
    if (error.stderr === undefined || error.code === 'ENOENT')
      throw new UsageError(`${python} cannot be started: ${error.message}`, 'name the interpreter: --python PATH')
    throw new Fault('bundle_failed', `${python} could not read it: ${error.stderr.trim().split('\n').at(-1)}`)
  })
  const told = JSON.parse(stdout) as Shipped & { error?: { code: string; detail: string } }
  if (told.error) throw new Fault(told.error.code, told.error.detail)
  return told
}

const linesOf = (cli: Cli, { bundle, files, bytes, ignored, notes }: Shipped, all: boolean): string[] => {
  const style = cli.style()
  const { dim } = style.colors
  const bySize = files.toSorted((a, b) => b.bytes - a.bytes)
  const shown = all ? files : bySize.slice(0, fewFiles)
  const left = files.length - shown.length
  const inTable = (title: string, rows: string[][]) =>
    rows.length === 0
      ? []
      : table(
          [
            { title, flexible: true },
            { title: title === 'ignored' ? 'why' : 'bytes', right: title !== 'ignored' },
          ],
          rows,
          style,
        )
  return [
    `bundle ${bundle.slice(0, 12)}: ${files.length} files, ${bytes} bytes`,
    '',
    ...inTable(
      all || left === 0 ? 'file' : 'largest files',
      shown.map((file) => [file.path, String(file.bytes)]),
    ),
    ...(left > 0 ? [dim(`${left} more: culm bundle --list`)] : []),
    ...(ignored.length > 0
      ? [
          '',
          ...inTable(
            'ignored',
            ignored.map(({ path, why }) => [path, why]),
          ),
        ]
      : []),
    ...notes.map((note) => dim(note)),
  ]
}
