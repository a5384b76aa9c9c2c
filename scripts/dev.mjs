/** `npm run dev`: Culm on a home of its own (.cache/dev), built and started again whenever a source is saved. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { watch } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { prepare } from './start.mjs'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
await prepare()
const { build } = await import('./build.mjs')

const start = () =>
  spawn(process.execPath, ['--enable-source-maps', 'dist/culm.js', 'up', ...process.argv.slice(2)], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, CULM_HOME: path.join(root, '.cache/dev') },
  })
let running = start()
let timer

const restart = async () => {
  try {
    await build()
  } catch {
    return // esbuild has said what is wrong; the old one goes on.
  }
  running.kill('SIGINT')
  if (running.exitCode === null) await once(running, 'exit')
  running = start()
}

for (const folder of ['src', 'monitor', 'migrations'])
  watch(path.join(root, folder), { recursive: true }, () => {
    clearTimeout(timer)
    timer = setTimeout(restart, 150)
  })
process.on('SIGINT', async () => {
  if (running.exitCode === null) await once(running, 'exit')
  process.exit()
})
