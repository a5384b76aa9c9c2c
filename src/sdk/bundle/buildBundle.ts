import { dirname, join, relative, resolve, sep } from 'node:path'
import type { BuildOptions, Message, Metafile, OutputFile, Plugin } from 'esbuild'
import { type Manifest, manifestText } from '../../contract/blobs.ts'
import { fault } from '../../contract/faults.ts'
import { sha256 } from '../../lib/digest.ts'
import { type BundleIndex, bundleIndexFile } from './bundleIndex.ts'
import { checkSize, checkSources, type UsedSource } from './checks.ts'
import { sdkFiles } from './sdkFiles.ts'

export type Files = Map<string, Uint8Array>

export type Bundle = {
  /** SHA-256 of the manifest: the bundle's name. */
  hash: string
  manifest: Manifest
  files: Files
  /** Absolute path of each source module → its file in the bundle. */
  modules: Map<string, string>
  /** The common folder of the source modules: the bundle's paths are as seen from there. */
  root: string
}

/**
 * Compiles a module, with all that it imports, into a folder that runs at any site without an installation. Each module
 * that may have works is an entry of its own, so that they can be found by module and export while each module exists
 * once. The same sources give the same bytes, wherever they lie.
 * @throws `bundle_failed` with what the compiler said, `bundle_has_credentials`, `bundle_too_large`.
 */
export const buildBundle = async (file: string): Promise<Bundle> => {
  const sources = await modulesWithWorks(file)
  const root = commonFolder(sources)
  const modules = new Map(entriesOf(root, sources).map(({ in: source, out }) => [source, `${out}.js`]))
  const { outputFiles, metafile } = await compile({
    entryPoints: entriesOf(root, sources),
    absWorkingDir: root,
    // Beside the sources, so that source maps lead to them by names of the same form; nothing is written there.
    outdir: root,
    allowOverwrite: true,
    splitting: true,
    chunkNames: 'chunks/[hash]',
    sourcemap: 'inline',
    // Traces need names and lines; the sources themselves would double the size.
    sourcesContent: false,
    keepNames: true,
    banner: { js: commonJsNames },
    define: { __filename: '$culmFile', __dirname: '$culmFolder' },
  })
  await checkSources(usedSources(metafile, root))
  const index: BundleIndex = {
    version: 1,
    modules: Object.fromEntries([...modules].map(([source, out]) => [slashed(relative(root, source)), out])),
    contents: Object.fromEntries(
      Object.entries(metafile.outputs).map(([out, { inputs }]) => [
        out,
        Object.keys(inputs)
          .filter((input) => modules.has(resolve(root, input)))
          .sort(),
      ]),
    ),
  }
  const compiled = outputFiles.map(({ path, contents }) => [slashed(relative(root, path)), contents] as const)
  const files: Files = new Map([
    ...compiled,
    ...(await sdkFiles()),
    [bundleIndexFile, Buffer.from(JSON.stringify(index, null, 1))],
    ['package.json', Buffer.from('{"type":"module"}')],
  ])
  const manifest = manifestOf(files)
  checkSize(manifest)
  return { hash: sha256(manifestText(manifest)), manifest, files, modules, root }
}

export const manifestOf = (files: Files): Manifest => ({
  version: 1,
  language: 'node',
  files: [...files]
    .map(([path, content]) => ({ path, hash: sha256(content), bytes: content.length }))
    .sort((a, b) => (a.path < b.path ? -1 : 1)),
})

/**
 * What packages written as CommonJS expect to be there. Each file of a bundle has its own, under names that no source
 * uses.
 */
const commonJsNames = [
  `import{createRequire as $culmRequire}from'node:module'`,
  `const require=$culmRequire(import.meta.url),$culmFile=require('node:url').fileURLToPath(import.meta.url),$culmFolder=require('node:path').dirname($culmFile)`,
].join(';')

/**
 * The modules that may have works, of all that are reached from one: the user's own, which are those outside
 * `node_modules`, and those of packages that import the SDK.
 */
const modulesWithWorks = async (file: string): Promise<string[]> => {
  const folder = dirname(file)
  const { metafile } = await compile({
    entryPoints: [file],
    absWorkingDir: folder,
    outdir: folder,
    allowOverwrite: true,
  })
  const found = Object.entries(metafile.inputs).filter(
    ([input, { imports }]) =>
      isScript(input) && (!isInPackage(input) || imports.some(({ path, external }) => external && path === 'culm')),
  )
  return [...new Set([file, ...found.map(([input]) => resolve(folder, input))])].sort()
}

/** What went into a bundle of the user's own, with a file that imports it: code, and whatever else was imported. */
const usedSources = ({ inputs }: Metafile, root: string): UsedSource[] => {
  const importers = new Map(
    Object.entries(inputs).flatMap(([input, { imports }]) => imports.map(({ path }) => [path, resolve(root, input)])),
  )
  return Object.keys(inputs)
    .filter((input) => !isInPackage(input) && !isMade(input))
    .map((input) => ({ file: resolve(root, input), importedBy: importers.get(input) }))
}

/** Names with a colon are the compiler's own. */
const isMade = (input: string): boolean => /^[\w-]+:/.test(input)

const isScript = (input: string): boolean => /\.[cm]?[jt]sx?$/.test(input) && !isMade(input)

const isInPackage = (input: string): boolean => /(^|\/)node_modules\//.test(input)

const commonFolder = (files: string[]): string => {
  const [first = [], ...others] = files.map((file) => dirname(file).split(sep))
  const differs = first.findIndex((part, i) => others.some((other) => other[i] !== part))
  return (differs < 0 ? first : first.slice(0, differs)).join(sep) || sep
}

/**
 * `src/a.ts` → `src/a`, or with its ending when there is an `a.js` beside it. Those of packages go to `packages/`, since
 * below a `node_modules` Node would take them for CommonJS.
 */
const entriesOf = (root: string, sources: string[]): { in: string; out: string }[] => {
  const nameOf = (source: string) => slashed(relative(root, source)).replaceAll('node_modules/', 'packages/')
  const stemOf = (source: string) => nameOf(source).replace(/\.[^.]+$/, '')
  const hasTwin = (source: string) => sources.some((other) => other !== source && stemOf(other) === stemOf(source))
  return sources.map((source) => ({ in: source, out: hasTwin(source) ? nameOf(source) : stemOf(source) }))
}

const slashed = (path: string): string => path.split(sep).join('/')

const compile = async (options: BuildOptions): Promise<{ outputFiles: OutputFile[]; metafile: Metafile }> => {
  const esbuild = await import('esbuild')
  try {
    return await esbuild.build({
      ...options,
      bundle: true,
      write: false,
      metafile: true,
      format: 'esm',
      platform: 'node',
      target: 'node20',
      charset: 'utf8',
      legalComments: 'none',
      logLevel: 'silent',
      // The SDK is in the bundle once, as a package, so that all modules share it.
      external: ['culm'],
      plugins: [refuseNativeAddons],
    })
  } catch (error) {
    const messages = (error as { errors?: Message[] }).errors
    if (!messages) throw error
    const texts = await esbuild.formatMessages(messages, { kind: 'error', color: false })
    throw fault('bundle_failed', texts.join('\n').trim(), undefined, error)
  }
}

const refuseNativeAddons: Plugin = {
  name: 'native-addons',
  setup({ onLoad }) {
    onLoad({ filter: /\.node$/ }, ({ path }) => {
      const name = slashed(path).match(/.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/)?.[1] ?? path
      return {
        errors: [
          {
            text: `${name} has a native addon (${join(name, '…', path.split(sep).at(-1) ?? '')}), which runs on one kind of machine only and cannot travel in a bundle: keep it out of what works import, or run it as a command`,
          },
        ],
      }
    })
  },
}
