import { existsSync, readFileSync, realpathSync } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { fault } from '../../contract/faults.ts'
import { sleep } from '../../lib/clock.ts'
import { sha256 } from '../../lib/digest.ts'
import type { Definition } from '../definition.ts'
import { currentRuntime, type Runtime, workMark } from '../runtime.ts'
import { type BundleIndex, bundleIndexFile } from './bundleIndex.ts'

/**
 * Where a job finds a work: module and export. `name` is the module's name in journals: the same wherever the project
 * lies, and whether its driver runs from the sources or from a bundle of them.
 */
export type Address = { name: string; export: string } & (
  | {
      kind: 'source'
      /** Absolute path. */
      file: string
    }
  | {
      kind: 'bundled'
      /** The module's path in the bundle of this process. */
      module: string
      /** Absolute path of its source; undefined in a job, which has none. */
      file?: string
    }
)

/**
 * The address of a work, looked up at its first use and remembered.
 * @throws `work_not_exported` with the place of its definition.
 */
export const addressOf = (definition: Definition): Promise<Address> => {
  const known = addresses.get(definition)
  if (known) return known
  const { bundle } = currentRuntime() ?? {}
  const found = bundle ? addressInBundle(definition, bundle) : addressInSources(definition)
  addresses.set(definition, found)
  // A module may yet be on its way to its end; the next call looks again.
  found.catch(() => addresses.delete(definition))
  return found
}
const addresses = new WeakMap<Definition, Promise<Address>>()

/**
 * Where a workflow function that runs here was written: what it is told apart by from others, in this start and the next. It need be no export; and it is read, since
 * importing a module whose top level awaits this very function would wait for nothing. (One of CommonJS has no such top level.)
 */
export const placeOf = async (
  definition: Definition,
): Promise<{ name: string; export?: string; file?: string } | undefined> => {
  const { module } = definition.site
  if (currentRuntime()?.bundle || !module.startsWith('file:')) return addressOf(definition).catch(() => undefined)
  const file = fileOf(module)
  if (!file) return undefined
  const name = writtenExport(definition) ?? listedExport(definition) ?? writtenDefinition(definition).name
  return { name: moduleName(file), export: name, file }
}

/**
 * How long an import of a module that is loaded may take, ms. It is at once, but for a module that is still being
 * evaluated: one whose top level awaits this very call would wait for ever.
 */
const evaluatingMs = 10_000

const addressInSources = async (definition: Definition): Promise<Address> => {
  const { module } = definition.site
  const file = fileOf(module)
  if (!file) throw notExported(definition, 'it was not defined in a file')
  const name = writtenExport(definition) ?? exportIn(await imported(module), definition) ?? listedExport(definition)
  if (name === undefined) throw notExported(definition)
  return { kind: 'source', file, name: moduleName(file), export: name }
}

/** `file:///a/b.ts?x` or `/a/b.ts` → `/a/b.ts`, by its real path, as the compiler names it. */
const fileOf = (module: string): string | undefined => {
  const url = module.startsWith('file:') ? new URL(module) : module.startsWith('/') ? pathToFileURL(module) : undefined
  if (!url) return undefined
  url.search = ''
  url.hash = ''
  const path = fileURLToPath(url)
  return existsSync(path) ? realpathSync(path) : undefined
}

/**
 * The export as it is written where the work was defined: `export const name = work(`. Reading it needs no module to
 * be complete, so a script may call its own works from its top level; and no second import, which under test runners
 * would make another instance.
 */
const writtenExport = (definition: Definition): string | undefined => {
  const { exported, name, isDefault } = writtenDefinition(definition)
  return isDefault ?? (exported && name)
}

/** The export of `const name = work(` with an `export { name }` elsewhere in its file. */
const listedExport = (definition: Definition): string | undefined => {
  const { text, name } = writtenDefinition(definition)
  for (const [, list] of text?.matchAll(/\bexport\s*\{([^}]*)\}(?!\s*from)/g) ?? []) {
    for (const item of list!.split(',')) {
      const [local, exported = local] = item.trim().split(/\s+as\s+/)
      if (local === name) return exported
    }
  }
  return undefined
}

type Written = { text?: string; exported?: string; name?: string; isDefault?: string }

const writtenDefinition = ({ site }: Definition): Written => {
  const [, path, line, column] = site.place().match(/^(.+):(\d+):(\d+)$/) ?? []
  if (!path || !existsSync(path)) return {}
  const text = readFileSync(path, 'utf8')
  const lines = text.split('\n').slice(0, Number(line))
  const before = [...lines.slice(-4, -1), (lines.at(-1) ?? '').slice(0, Number(column) - 1)].join('\n')
  const [, exported, name, isDefault] = before.match(definedBefore) ?? []
  return { text, exported, name, isDefault }
}

/** What stands before `work(` in a definition. */
const definedBefore =
  /(?:(export\s+)?\b(?:const|let|var)\s+([\p{ID_Start}$_][\p{ID_Continue}$]*)\s*(?::[^=;]*)?=|export\s+(default))\s*(?:[\w$]+\.)*$/u

const imported = async (module: string): Promise<unknown> => {
  const url = module.startsWith('file:') ? module : pathToFileURL(module).href
  const done = new AbortController()
  try {
    return await Promise.race([import(url).catch(() => undefined), sleep(evaluatingMs, done.signal)])
  } finally {
    done.abort()
  }
}

/** The name of the export that is this work, or a `with(…)` of it; CommonJS has its exports under `default` too. */
const exportIn = (exports: unknown, definition: Definition): string | undefined => {
  if (typeof exports !== 'object' || exports === null) return undefined
  const isIt = (value: unknown) =>
    typeof value === 'function' && (value as { [workMark]?: unknown })[workMark] === definition
  const own = Object.keys(exports).find((name) => isIt((exports as Record<string, unknown>)[name]))
  return own ?? exportIn((exports as { default?: unknown }).default, definition)
}

/**
 * The package's name and the path in it, the same wherever the project lies; a file that is in no named package bears
 * its own place. Two modules of one process never share a name.
 */
const moduleName = (file: string): string => {
  for (let folder = dirname(file); ; folder = dirname(folder)) {
    const name = packageName(join(folder, 'package.json'))
    if (name) return `${name}/${relative(folder, file)}`
    if (folder === dirname(folder)) return `${basename(file)}~${sha256(file).slice(0, 8)}`
  }
}

const packageName = (packageJson: string): string | undefined => {
  try {
    return JSON.parse(readFileSync(packageJson, 'utf8')).name
  } catch {
    return undefined
  }
}

/**
 * In a bundle, modules may lie together in one file; the bundle's index says which lie where. Only those of the file
 * that defined the work are looked at: they have been evaluated, so that importing them runs nothing.
 */
const addressInBundle = async (definition: Definition, bundle: NonNullable<Runtime['bundle']>): Promise<Address> => {
  // Node names a module by its real path.
  const folder = realpathSync(bundle.folder)
  const index: BundleIndex = JSON.parse(readFileSync(join(folder, bundleIndexFile), 'utf8'))
  const file = fileOf(definition.site.module)
  for (const source of index.contents[file ? relative(folder, file) : ''] ?? []) {
    const module = index.modules[source]
    if (!module) continue
    const name = exportIn(await imported(pathToFileURL(join(folder, module)).href), definition)
    if (name === undefined) continue
    const path = bundle.root === undefined ? undefined : join(bundle.root, source)
    return { kind: 'bundled', name: path ? moduleName(path) : module, module, export: name, file: path }
  }
  throw notExported(definition)
}

const notExported = ({ site }: Definition, why = 'it is not an export of its module') =>
  fault(
    'work_not_exported',
    `the work defined at ${site.place()} cannot be found by a job: ${why}. Write \`export const name = work(…)\` at the top level of its file`,
    {
      place: site.place(),
    },
  )
