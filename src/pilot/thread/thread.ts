import { parentPort, workerData } from 'node:worker_threads'
import { makeClient } from '../../contract/client.ts'
import { Lease } from './lease.ts'
import type { FromSecond, SecondData, ToSecond } from './messages.ts'
import { Meter } from './meter.ts'

/**
 * The pilot's second thread, for what must not wait for the first: renewing the lease, and looking at the memory of payloads. Built into a file of its own,
 * since a thread starts from a file.
 */
const { url, token } = workerData as SecondData
const port = parentPort!
const tell = (message: FromSecond) => port.postMessage(message)
const lease = new Lease({ client: makeClient({ url, token }), tell })
const meter = new Meter(tell)

port.on('message', (messages: ToSecond[]) => {
  for (const message of messages) {
    if (message.t === 'serve') lease.serve(message)
    else if (message.t === 'held') lease.held(message.list, message.nextClaim)
    else if (message.t === 'watch') meter.watch(message.key, message.pid, message.limitMb, message.apart)
    else meter.unwatch(message.key)
  }
})
