import { storable } from './failure.ts'
import type { LogOutbox } from './logOutbox.ts'
import type { Sinks, Stream } from './outputSplitter.ts'
import { type Hidden, Redaction } from './redaction.ts'

/** What one attempt prints: two streams on their way to the server, and the last lines of stderr for the texts of errors. Most short jobs print nothing. */
export class JobOutput implements Sinks {
  readonly key: string
  readonly #make: (stream: Stream) => StreamText
  #streams: Partial<Record<Stream, StreamText>> = {}

  /** `hidden`: what must not be seen of it. */
  constructor(jobId: string, attempt: number, logs: LogOutbox, maxBytes: number, hidden: Hidden = null) {
    this.key = attemptKey(jobId, attempt)
    this.#make = (stream) => new StreamText({ jobId, attempt, stream }, logs, maxBytes, hidden)
  }

  write(stream: Stream, bytes: Buffer): void {
    this.#streams[stream] ??= this.#make(stream)
    this.#streams[stream].write(bytes)
  }

  /** Nothing more will be written: what looked like the beginning of a secret was none. */
  end(stream: Stream): void {
    this.#streams[stream]?.end()
  }

  /** The last lines of stderr, for the text of an error. */
  lastLines(count = 20): string {
    return this.#streams.stderr?.lastLines(count) ?? ''
  }
}

class StreamText {
  readonly #place: { jobId: string; attempt: number; stream: Stream }
  readonly #logs: LogOutbox
  readonly #maxBytes: number
  readonly #redaction: Redaction | null
  #decoder: InstanceType<typeof TextDecoder> | null = null
  #read = 0
  #offset = 0
  #tail = ''

  constructor(
    place: { jobId: string; attempt: number; stream: Stream },
    logs: LogOutbox,
    maxBytes: number,
    hidden: Hidden,
  ) {
    this.#redaction = hidden && new Redaction(hidden)
    this.#place = place
    this.#logs = logs
    this.#maxBytes = maxBytes
  }

  /** Bytes that are not UTF-8 become replacement characters; a character cut in two by a chunk's border does not. */
  write(bytes: Buffer): void {
    const room = this.#maxBytes - this.#read
    this.#read += bytes.length
    if (room < 0) return
    this.#decoder ??= new TextDecoder()
    const text = this.#decoder.decode(bytes.subarray(0, room), { stream: true })
    this.#send(this.#redaction?.write(text) ?? text)
    if (bytes.length > room)
      this.#send(`\n[culm] ${this.#place.stream} went over ${this.#maxBytes / 1e6} MB; the rest was not kept\n`)
  }

  end(): void {
    if (this.#redaction) this.#send(this.#redaction.end())
  }

  lastLines(count: number): string {
    return this.#tail.trimEnd().split('\n').slice(-count).join('\n')
  }

  /** `offset` counts the bytes of what was sent, so that a chunk that is sent twice is known by it. */
  #send(text: string): void {
    if (text === '') return
    const sent = storable(text)
    this.#tail = (this.#tail + sent).slice(-8192)
    this.#logs.append({ ...this.#place, offset: this.#offset, text: sent })
    this.#offset += Buffer.byteLength(sent)
  }
}

export const attemptKey = (jobId: string, attempt: number): string => `${jobId}:${attempt}`

/** For the text of an error: what the payload said last on stderr. */
export const lastWords = (output: JobOutput): string => {
  const lines = output.lastLines()
  return lines === '' ? '' : `\nLast lines of stderr:\n${lines}`
}
