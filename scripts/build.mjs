/** Builds `dist/` from `src/` and `monitor/`: what `npm start` runs and what the package ships. `node scripts/build.mjs` */
import { mkdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { build as esbuild } from 'esbuild'
import { buildMonitor } from './buildMonitor.mjs'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const at = (file) => path.join(root, file)
const base = {
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'esm',
  sourcemap: true,
  logLevel: 'warning',
  absWorkingDir: root,
}

/** Programs and what plug-ins import: they share chunks, and take their packages from node_modules. */
const parts = {
  culm: 'src/main/culm.ts',
  sdk: 'src/sdk/index.ts',
  pilot: 'src/pilot/index.ts',
  plugin: 'src/ports/index.ts',
}

/** These run where no node_modules lie: in payloads' processes, and in a worker thread. One file each. */
const alone = { runner: 'src/pilot/runner/node.ts', thread: 'src/pilot/thread/thread.ts' }

/** CommonJS packages inside an ES module ask for `require`. */
const requireShim =
  "import { createRequire as makeRequire } from 'node:module'; const require = makeRequire(import.meta.url);"

/** The SDK travels in users' bundles as it is here, so it is small, and brings what it needs; a job that makes no calls loads next to nothing of it. */
const sdk = {
  ...base,
  sourcemap: false,
  entryPoints: { index: 'src/sdk/index.ts' },
  outdir: at('dist/sdk'),
  splitting: true,
  minify: true,
  keepNames: true,
  chunkNames: '[hash]',
  external: ['esbuild'],
  alias: { zod: at('src/sdk/bundle/noSchemas.ts') },
  banner: { js: requireShim },
}

export const build = async () => {
  await mkdir(at('dist'), { recursive: true })
  await Promise.all([
    esbuild({
      ...base,
      entryPoints: parts,
      outdir: at('dist'),
      packages: 'external',
      splitting: true,
      chunkNames: 'chunks/[name]-[hash]',
    }),
    esbuild(sdk),
    esbuild({ ...base, entryPoints: alone, outdir: at('dist'), banner: { js: requireShim } }),
    buildMonitor(),
  ])
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await rm(at('dist'), { recursive: true, force: true })
  await build()
}
