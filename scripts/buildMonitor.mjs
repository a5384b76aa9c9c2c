/** Builds `dist/monitor` from `monitor/`: hashed files, each with its compressed copies beside it, and the page that loads them. */
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'
import { build as esbuild } from 'esbuild'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const folder = path.join(root, 'dist/monitor')

const base = {
  bundle: true,
  format: 'esm',
  target: ['chrome123', 'firefox128', 'safari17.5'],
  minify: true,
  sourcemap: false,
  logLevel: 'warning',
  absWorkingDir: path.join(root, 'monitor'),
  outdir: folder,
  entryNames: '[name]-[hash]',
  chunkNames: '[name]-[hash]',
  metafile: true,
  write: false,
  jsx: 'automatic',
  define: { 'process.env.NODE_ENV': '"production"' },
}

export const buildMonitor = async () => {
  const worker = await esbuild({ ...base, entryPoints: ['src/graph/layoutWorker.ts'] })
  const workerFile = path.basename(worker.outputFiles[0].path)
  const page = await esbuild({
    ...base,
    entryPoints: ['src/main.tsx', 'src/style.css'],
    splitting: true,
    define: { ...base.define, LAYOUT_WORKER: JSON.stringify(`/assets/${workerFile}`) },
  })
  const files = [...worker.outputFiles, ...page.outputFiles]
  await mkdir(folder, { recursive: true })
  const written = await Promise.all(files.map(writeCompressed))
  await writeFile(path.join(folder, 'index.html'), await indexOf(page.metafile))
  await removeOthers(new Set(['index.html', ...written.flat()]))
}

/** The page, with the names of its script, its style, and of what the script will ask for at once. */
const indexOf = async ({ outputs }) => {
  const [script, { imports }] = Object.entries(outputs).find(([, { entryPoint }]) => entryPoint === 'src/main.tsx')
  const [style] = Object.entries(outputs).find(([, { entryPoint }]) => entryPoint === 'src/style.css')
  const address = (file) => `/assets/${path.basename(file)}`
  const soon = imports.filter(({ kind }) => kind === 'import-statement').map((file) => address(file.path))
  const head = [
    `<link rel="stylesheet" href="${address(style)}">`,
    ...soon.map((file) => `<link rel="modulepreload" href="${file}">`),
    `<script type="module" src="${address(script)}"></script>`,
  ]
  const template = await readFile(path.join(root, 'monitor/index.html'), 'utf8')
  return template.replace('<!-- assets -->', head.join('\n'))
}

const brotliOptions = { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } }

const writeCompressed = async ({ path: file, contents }) => {
  const [zipped, brotli] = await Promise.all([
    promisify(gzip)(contents, { level: 9 }),
    promisify(brotliCompress)(contents, brotliOptions),
  ])
  const copies = [
    [file, contents],
    [`${file}.gz`, zipped],
    [`${file}.br`, brotli],
  ]
  await Promise.all(copies.map(([name, bytes]) => writeFile(name, bytes)))
  return copies.map(([name]) => path.basename(name))
}

/** What an earlier build has left. */
const removeOthers = async (current) => {
  const others = (await readdir(folder)).filter((name) => !current.has(name))
  await Promise.all(others.map((name) => rm(path.join(folder, name))))
}
