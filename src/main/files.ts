import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

/** The folder of the package, whether this runs from the sources or from what was built. */
const root = (() => {
  let folder = path.dirname(fileURLToPath(import.meta.url))
  while (!existsSync(path.join(folder, 'migrations'))) folder = path.dirname(folder)
  return folder
})()

/** What the package brings besides code. */
export const files = {
  root,
  migrations: path.join(root, 'migrations'),
  nodeRunner: path.join(root, 'dist/runner.js'),
  secondThread: path.join(root, 'dist/thread.js'),
  monitor: path.join(root, 'dist/monitor/index.html'),
  pythonPath: path.join(root, 'python'),
  cli: path.join(root, 'dist/culm.js'),
}

export const version: string = createRequire(import.meta.url)(path.join(root, 'package.json')).version
