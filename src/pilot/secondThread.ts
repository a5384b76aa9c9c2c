import { Worker } from 'node:worker_threads'
import type { FromSecond, SecondData, ToSecond } from './thread/messages.ts'

/** The main thread's end of `thread/thread.ts`. What is said within one turn of the event loop goes as one message. */
export class SecondThread {
  readonly #worker: Worker
  #waiting: ToSecond[] = []

  constructor({
    file,
    data,
    onMessage,
    onError,
  }: { file: string; data: SecondData; onMessage: (message: FromSecond) => void; onError: (error: Error) => void }) {
    // No environment, no arguments: what it needs is in its data.
    this.#worker = new Worker(file, { workerData: data, env: {}, execArgv: [], name: 'culm-pilot' })
    this.#worker.on('message', onMessage)
    this.#worker.on('error', onError)
  }

  tell(message: ToSecond): void {
    if (this.#waiting.length === 0) setImmediate(() => this.#worker.postMessage(this.#waiting.splice(0)))
    this.#waiting.push(message)
  }

  async close(): Promise<void> {
    await this.#worker.terminate()
  }
}
