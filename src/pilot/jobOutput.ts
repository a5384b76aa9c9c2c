import { storable } from './failure.ts'
import type { LogOutbox } from './logOutbox.ts'
import type { Sink } from './outputSplitter.ts'
import { type Hidden, Redaction } from './redaction.ts'

/** What one attempt prints: two streams on their way to the server, and the last lines of stderr for the texts of errors. */
export type JobOutput = { stdout: StreamText; stderr: StreamText }

/** `hidden`: what must not be seen of it. */
export const makeJobOutput = (
  jobId: string,
  attempt: number,
  logs: LogOutbox,
  maxBytes: number,
  hidden: Hidden = null,
): JobOutput => ({
  stdout: new StreamText(jobId, attempt, 'stdout', logs, maxBytes, hidden),
  stderr: new StreamText(jobId, attempt, 'stderr', logs, maxBytes, hidden),
})

type Stream = 'stdout' | 'stderr'

export class StreamText implements Sink {
  readonly key: string
  readonly #place: { jobId: string; attempt: number; stream: Stream }
  readonly #logs: LogOutbox
  readonly #maxBytes: number
  readonly #redaction: Redaction | null
  #decoder: InstanceType<typeof TextDecoder> | null = null
  #read = 0
  #offset = 0
  #tail = ''

  constructor(jobId: string, attempt: number, stream: Stream, logs: LogOutbox, maxBytes: number, hidden: Hidden) {
    this.#redaction = hidden && new Redaction(hidden)
    this.key = `${jobId}:${attempt}`
    this.#place = { jobId, attempt, stream }
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

  /** Nothing more will be written: what looked like the beginning of a secret was none. */
  end(): void {
    if (this.#redaction) this.#send(this.#redaction.end())
  }

  /** The last lines, for the text of an error. */
  lastLines(count = 20): string {
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
export const lastWords = ({ stderr }: JobOutput): string => {
  const lines = stderr.lastLines()
  return lines === '' ? '' : `\nLast lines of stderr:\n${lines}`
}
