// Runs jobs of one unpacked bundle, one at a time, as the runner of a pilot does, speaking to its parent instead.
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

process.setSourceMapsEnabled(true)
let resumed = () => {}

process.on('message', async (message) => {
  if (message.t === 'resumed') return resumed()
  const { job, bundleFolder, bundle, module, name, args, serverUrl } = message
  const runtime = {
    job,
    serverUrl,
    bundle: { hash: bundle, folder: bundleFolder },
    importing: true,
    awaiting: () => process.send({ t: 'awaiting' }),
    woken: () =>
      new Promise((resolve) => {
        resumed = resolve
        process.send({ t: 'woken' })
      }),
  }
  globalThis[Symbol.for('culm.runtime')] = runtime
  try {
    const exports = await import(pathToFileURL(join(bundleFolder, module)).href)
    runtime.importing = false
    const work = exports[name] ?? exports.default?.[name]
    const value = await work[Symbol.for('culm.work')].fn(...args)
    process.send({ t: 'done', text: JSON.stringify(value) ?? 'null' })
  } catch (error) {
    process.send({ t: 'done', error: { type: error.constructor.name, message: error.message, stack: error.stack } })
  }
})
