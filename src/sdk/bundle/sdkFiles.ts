import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Files } from './buildBundle.ts'

/** Where the SDK lies in a bundle: the name `culm` leads there from all of its modules. */
const place = 'node_modules/culm'

/**
 * The SDK as it goes into every bundle, by the path there: this very one, as the build has compiled it, or compiled
 * now when it runs from its sources.
 */
export const sdkFiles = (): Promise<Files> => {
  files ??= load()
  return files
}
let files: Promise<Files> | undefined

const load = async (): Promise<Files> => {
  const compiled = firstOf(compiledPlaces)
  const found = compiled ? await readFolder(dirname(compiled)) : await compileSdk(firstOf(entryPlaces)!)
  const packageJson = Buffer.from(JSON.stringify({ name: 'culm', type: 'module', exports: './index.js' }))
  const all = [...found, ['package.json', packageJson] as const]
  return new Map(all.map(([path, content]) => [`${place}/${path}`, content]))
}

/**
 * What `compileSdk` made: beside this code when it is part of it, or in `dist/sdk` as seen from other programs of the
 * package and their chunks.
 */
const compiledPlaces = ['./index.js', './sdk/index.js', '../sdk/index.js']

/** The SDK's entry, seen from this source or from what other builds made of it. */
const entryPlaces = ['../index.ts', './sdk.js', '../sdk.js']

const firstOf = (places: string[]): string | undefined =>
  places.map((path) => fileURLToPath(new URL(path, import.meta.url))).find((path) => existsSync(path))

const readFolder = async (folder: string): Promise<Files> => {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.js')).sort()
  return new Map(await Promise.all(names.map(async (name) => [name, await readFile(join(folder, name))] as const)))
}

/**
 * Compiles the SDK, for programs and for bundles alike: `index.js`, which is small and all that most jobs load, and
 * beside it what is needed to make calls. It stands alone but for the compiler, which only programs that make bundles
 * need.
 * @param entry `index.ts` of the SDK.
 */
export const compileSdk = async (entry: string): Promise<Files> => {
  const esbuild = await import('esbuild')
  const outdir = join(dirname(entry), 'out')
  const noSchemas = join(dirname(entry), 'bundle/noSchemas.ts')
  const { outputFiles } = await esbuild.build({
    entryPoints: { index: entry },
    bundle: true,
    write: false,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    minify: true,
    keepNames: true,
    chunkNames: '[hash]',
    outdir,
    absWorkingDir: dirname(entry),
    legalComments: 'none',
    logLevel: 'silent',
    external: ['esbuild'],
    ...(existsSync(noSchemas) ? { alias: { zod: noSchemas } } : {}),
    banner: {
      js: `import{createRequire as $culmRequire}from'node:module';const require=$culmRequire(import.meta.url);`,
    },
  })
  return new Map(outputFiles.map(({ path, contents }) => [relative(outdir, path), contents]))
}
