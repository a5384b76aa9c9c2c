import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, join, relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { fault } from '../../contract/faults.ts'
import { sleep } from '../../lib/clock.ts'
import type { Definition } from '../definition.ts'
import { currentRuntime, workMark } from '../runtime.ts'
import { type BundleIndex, bundleIndexFile } from './bundleIndex.ts'

/** Where a job finds a work: module and export. `name` is the module's name in journals: the same wherever the project lies. */
export type Address = { name: string; export: string } & (
  | { kind: 'source' /** Absolute path. */; file: string }
  | { kind: 'bundled' /** The module's path in the bundle of this process. */; module: string }
)

/**
 * The address of a work, looked up at its first use and remembered.
 * @throws `work_not_exported` with the place of its definition.
 */
export const addressOf = (definition: Definition): Promise<Address> => {
  const known = addresses.get(definition)
  if (known) return known
  const { bundle } = currentRuntime() ?? {}
  const found = bundle ? addressInBundle(definition, bundle.folder) : addressInSources(definition)
  addresses.set(definition, found)
  // A module may yet be on its way to its end; the next call looks again.
  found.catch(() => addresses.delete(definition))
  return found
}
const addresses = new WeakMap<Definition, Promise<Address>>()

/**
 * How long an import of a module that is loaded may take, ms. It is at once, but for a module that is still being evaluated: one whose top level awaits this very
 * call would wait for ever.
 */
const evaluatingMs = 2000

const addressInSources = async (definition: Definition): Promise<Address> => {
  const { module } = definition.site
  const file = fileOf(module)
  if (!file) throw notExported(definition, 'it was not defined in a file')
  const name =
    exportIn(loadedCommonJs(file), definition) ??
    writtenExport(definition) ??
    exportIn(await imported(module), definition)
  if (name === undefined) throw notExported(definition)
  return { kind: 'source', file, name: moduleName(file), export: name }
}

/** `file:///a/b.ts?x` or `/a/b.ts` → `/a/b.ts`. */
const fileOf = (module: string): string | undefined => {
  const url = module.startsWith('file:') ? new URL(module) : module.startsWith('/') ? pathToFileURL(module) : undefined
  if (!url) return undefined
  url.search = ''
  url.hash = ''
  const path = fileURLToPath(url)
  return existsSync(path) ? path : undefined
}

const loadedCommonJs = (file: string): unknown => createRequire(import.meta.url).cache[file]?.exports

/**
 * The name in `export const name = work(`, read off the source where the work was defined. It needs no module to be complete, so a script may call its own
 * works from its top level.
 */
const writtenExport = ({ site }: Definition): string | undefined => {
  const [, path, line, column] = site.place().match(/^(.+):(\d+):(\d+)$/) ?? []
  if (!path || !existsSync(path)) return undefined
  const lines = readFileSync(path, 'utf8').split('\n').slice(0, Number(line))
  const before = [...lines.slice(-4, -1), (lines.at(-1) ?? '').slice(0, Number(column) - 1)].join('\n')
  const [, name, isDefault] =
    before.match(
      /\bexport\s+(?:(?:const|let|var)\s+([\p{ID_Start}$_][\p{ID_Continue}$]*)\s*(?::[^=;]*)?=|(default))\s*(?:[\w$]+\.)*$/u,
    ) ?? []
  return isDefault ?? name
}

const imported = async (module: string): Promise<unknown> => {
  const url = module.startsWith('file:') ? module : pathToFileURL(module).href
  return Promise.race([import(url).catch(() => undefined), sleep(evaluatingMs)])
}

/** The name of the export that is this work, or a `with(…)` of it; CommonJS has its exports under `default` too. */
const exportIn = (exports: unknown, definition: Definition): string | undefined => {
  if (typeof exports !== 'object' || exports === null) return undefined
  const isIt = (value: unknown) =>
    typeof value === 'function' && (value as { [workMark]?: unknown })[workMark] === definition
  const own = Object.keys(exports).find((name) => isIt((exports as Record<string, unknown>)[name]))
  return own ?? exportIn((exports as { default?: unknown }).default, definition)
}

/** The package's name and the path in it: two modules of one process never share it, and it does not change with the folder of the project. */
const moduleName = (file: string): string => {
  for (let folder = dirname(file); ; folder = dirname(folder)) {
    const found = join(folder, 'package.json')
    if (existsSync(found)) return [packageName(found), relative(folder, file)].filter(Boolean).join('/')
    if (folder === dirname(folder)) return basename(file)
  }
}

const packageName = (packageJson: string): string => {
  try {
    return JSON.parse(readFileSync(packageJson, 'utf8')).name ?? ''
  } catch {
    return ''
  }
}

/**
 * In a bundle, modules may lie together in one file; the bundle's index says which lie where. Only those of the file that defined the work are looked at: they have been
 * evaluated, so that importing them runs nothing.
 */
const addressInBundle = async (definition: Definition, folder: string): Promise<Address> => {
  const index: BundleIndex = JSON.parse(readFileSync(join(folder, bundleIndexFile), 'utf8'))
  const file = fileOf(definition.site.module)
  for (const source of index.contents[file ? relative(folder, file) : ''] ?? []) {
    const module = index.modules[source]
    if (!module) continue
    const name = exportIn(await imported(pathToFileURL(join(folder, module)).href), definition)
    if (name !== undefined) return { kind: 'bundled', name: module, module, export: name }
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
