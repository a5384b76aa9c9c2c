import { sleep } from '../lib/clock.ts'
import { messageOf } from '../lib/fault.ts'
import type { Log } from '../lib/log.ts'

export type LogChunk = { jobId: string; attempt: number; stream: 'stdout' | 'stderr'; offset: number; text: string }

const maxChunkLength = 262_144
const maxChunks = 1000
const maxBatchLength = 4_000_000

/**
 * What jobs printed, on its way to the server: the first words at once, then what gathers in `pauseMs`. Holds at most some `maxWaiting` characters;
 * whoever reads from jobs stops reading while it is `full`, so that who prints faster than can be sent is held up and costs no memory.
 */
export class LogOutbox {
  readonly #send: (chunks: LogChunk[]) => Promise<void>
  readonly #log: Log
  readonly #pauseMs: number
  readonly #maxWaiting: number
  #chunks: LogChunk[] = []
  /** The youngest chunk of each stream, while it still takes more. */
  #growing = new Map<string, LogChunk>()
  #length = 0
  #pumping: Promise<void> | null = null
  #whenRoom: (() => void)[] = []

  constructor({
    send,
    log,
    pauseMs = 100,
    maxWaiting = 8_000_000,
  }: { send: (chunks: LogChunk[]) => Promise<void>; log: Log; pauseMs?: number; maxWaiting?: number }) {
    this.#send = send
    this.#log = log
    this.#pauseMs = pauseMs
    this.#maxWaiting = maxWaiting
  }

  get full(): boolean {
    return this.#length >= this.#maxWaiting
  }

  /** Calls back once, when there is room again. */
  onRoom(callback: () => void): void {
    this.#whenRoom.push(callback)
  }

  append(chunk: LogChunk): void {
    for (const piece of piecesOf(chunk)) this.#add(piece)
    this.#pumping ??= this.#pump()
  }

  /** Resolves when nothing waits any more. */
  async flushed(): Promise<void> {
    while (this.#pumping) await this.#pumping
  }

  #add(chunk: LogChunk): void {
    const key = `${chunk.jobId}:${chunk.attempt}:${chunk.stream}`
    const grown = this.#growing.get(key)
    this.#length += chunk.text.length
    if (grown && grown.text.length + chunk.text.length <= maxChunkLength) {
      grown.text += chunk.text
    } else {
      this.#chunks.push(chunk)
      this.#growing.set(key, chunk)
    }
  }

  async #pump(): Promise<void> {
    while (this.#chunks.length > 0) {
      const batch = this.#takeBatch()
      try {
        await this.#send(batch)
      } catch (error) {
        this.#log.warn(
          { error: messageOf(error), chunks: batch.length },
          'the server refused output of jobs; it is lost',
        )
      }
      this.#length -= lengthOf(batch)
      if (!this.full) for (const callback of this.#whenRoom.splice(0)) callback()
      await sleep(this.#pauseMs)
    }
    this.#pumping = null
  }

  #takeBatch(): LogChunk[] {
    let length = 0
    let n = 0
    while (
      n < Math.min(this.#chunks.length, maxChunks) &&
      (n === 0 || length + this.#chunks[n]!.text.length <= maxBatchLength)
    ) {
      length += this.#chunks[n++]!.text.length
    }
    this.#growing.clear()
    return this.#chunks.splice(0, n)
  }
}

const lengthOf = (chunks: LogChunk[]): number => chunks.reduce((sum, chunk) => sum + chunk.text.length, 0)

/** One read of a pipe is far below the limit of a chunk; a flood at the end of a process may be above it. */
const piecesOf = (chunk: LogChunk): LogChunk[] => {
  if (chunk.text.length <= maxChunkLength) return [{ ...chunk }]
  const cut = maxChunkLength - (isHighSurrogate(chunk.text.charCodeAt(maxChunkLength - 1)) ? 1 : 0)
  const first = { ...chunk, text: chunk.text.slice(0, cut) }
  return [
    first,
    ...piecesOf({ ...chunk, offset: chunk.offset + Buffer.byteLength(first.text), text: chunk.text.slice(cut) }),
  ]
}

const isHighSurrogate = (code: number): boolean => code >= 0xd800 && code <= 0xdbff
