import { endMark } from '../contract/runner.ts'

export type Stream = 'stdout' | 'stderr'

/** Where the bytes of one attempt go. */
export type Sinks = { readonly key: string; write(stream: Stream, bytes: Buffer): void; end(stream: Stream): void }

const markStart = Buffer.from('\0culm:end:')
const markEnd = Buffer.from('\0\n')
const longestMark = endMark(`j${'9'.repeat(15)}`, 1_000_000).length

/**
 * Gives each job what it printed to one stream of a warm runner, and cuts the end marks out. The report of a job does not wait for its mark, so the
 * next job may run already while the last words of this one are still in the pipe: sinks are kept in the order of their jobs, and a mark moves on to
 * the next. What a runner prints while no job is expected (a timer that a job left behind) is dropped; once the next job runs it is that job's.
 */
export class OutputSplitter {
  readonly #stream: Stream
  readonly #ofOneJob: boolean
  #sinks: Sinks[] = []
  #rest: Buffer = Buffer.alloc(0)

  /** `ofOneJob`: all that comes until the end of the stream is that job's, its mark notwithstanding: something is run after it. */
  constructor(stream: Stream, { ofOneJob = false }: { ofOneJob?: boolean } = {}) {
    this.#stream = stream
    this.#ofOneJob = ofOneJob
  }

  expect(sink: Sinks): void {
    this.#sinks.push(sink)
  }

  /** Its job will not run here after all. */
  forget(sink: Sinks): void {
    this.#sinks = this.#sinks.filter((one) => one !== sink)
  }

  write(chunk: Buffer): void {
    let data = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk
    for (let start = data.indexOf(markStart); start >= 0; start = data.indexOf(markStart)) {
      const end = data.subarray(0, start + longestMark).indexOf(markEnd, start + markStart.length)
      if (end < 0 && data.length - start < longestMark) break
      const key = data.toString('latin1', start + markStart.length, Math.max(end, 0))
      const isMark = /^j\d+:\d+$/.test(key)
      this.#give(data.subarray(0, isMark ? start : start + 1))
      if (isMark) this.#end(key)
      data = data.subarray(isMark ? end + markEnd.length : start + 1)
    }
    const kept = possibleMarkIn(data)
    this.#give(data.subarray(0, data.length - kept))
    this.#rest = Buffer.from(data.subarray(data.length - kept))
  }

  /** The stream has ended: what looked like the start of a mark was none. */
  finish(): void {
    this.#give(this.#rest)
    this.#rest = Buffer.alloc(0)
    for (const sink of this.#sinks.splice(0)) sink.end(this.#stream)
  }

  #give(bytes: Buffer): void {
    if (bytes.length > 0) this.#sinks[0]?.write(this.#stream, bytes)
  }

  /** A mark that no expected job bears was printed by the payload itself, and means nothing. */
  #end(key: string): void {
    if (this.#ofOneJob) return
    const place = this.#sinks.findIndex((sink) => sink.key === key)
    if (place >= 0) for (const sink of this.#sinks.splice(0, place + 1)) sink.end(this.#stream)
  }
}

/** How many bytes at the end of `data` may belong to a mark whose rest is still to come. */
const possibleMarkIn = (data: Buffer): number => {
  const start = data.indexOf(markStart, Math.max(0, data.length - longestMark))
  if (start >= 0) return data.length - start
  for (let n = Math.min(markStart.length - 1, data.length); n > 0; n--) {
    if (data.subarray(data.length - n).equals(markStart.subarray(0, n))) return n
  }
  return 0
}
