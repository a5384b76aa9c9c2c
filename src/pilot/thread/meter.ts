import { sleep } from '../../lib/clock.ts'
import { breath, type Process, pidIn, pssMbOf, readProcessesGently, rssMbOf } from '../processTable.ts'
import type { FromSecond } from './messages.ts'

type Watched = { pid: number; apart: string | undefined; limitMb: number | null; baseCpuSeconds: number | null }

/**
 * Measures the memory and CPU time of whole families of processes. Resident memory is cheap to read, but counts what processes share once for each;
 * so before a family is said to be over its limit, its fair parts are added up (workers forked from a large parent would seem to multiply it). The thread's
 * other work goes on meanwhile: with thousands of processes on a busy machine a look takes seconds, and the lease is renewed in this thread too.
 */
export class Meter {
  readonly #tell: (message: FromSecond) => void
  readonly #watched = new Map<string, Watched>()
  #measuring = false
  /** Somebody has come since the last look. */
  #hasNew = false
  #nap = new AbortController()

  readonly #limitedMs: number
  readonly #unlimitedMs: number

  /** How often processes are measured when some have a limit, and when none has, ms. */
  constructor(tell: (message: FromSecond) => void, { limitedMs = 250, unlimitedMs = 2000 } = {}) {
    this.#tell = tell
    this.#limitedMs = limitedMs
    this.#unlimitedMs = unlimitedMs
  }

  /** `apart`: a file with the number of a process that is measured too, with its family. */
  watch(key: string, pid: number, limitMb: number | null, apart?: string): void {
    this.#watched.set(key, { pid, apart, limitMb, baseCpuSeconds: null })
    this.#hasNew = true
    this.#nap.abort()
    if (!this.#measuring) void this.#measureWhileWatched()
  }

  unwatch(key: string): void {
    this.#watched.delete(key)
  }

  async #measureWhileWatched(): Promise<void> {
    this.#measuring = true
    while (this.#watched.size > 0) {
      const began = performance.now()
      this.#hasNew = false
      await this.#measure()
      await this.#rest(performance.now() - began)
    }
    this.#measuring = false
  }

  /** Until the next look: never more than a tenth of one core goes into looking, or half of one while many come. */
  async #rest(tookMs: number): Promise<void> {
    const began = performance.now()
    for (;;) {
      const left = (this.#hasNew ? tookMs : Math.max(9 * tookMs, this.#usualRestMs())) - (performance.now() - began)
      if (left <= 0) return
      this.#nap = new AbortController()
      await sleep(left, this.#nap.signal)
    }
  }

  #usualRestMs(): number {
    return [...this.#watched.values()].some(({ limitMb }) => limitMb !== null) ? this.#limitedMs : this.#unlimitedMs
  }

  async #measure(): Promise<void> {
    const processes = await readProcessesGently()
    for (const [key, watched] of [...this.#watched]) {
      if (this.#watched.get(key) !== watched) continue
      const first = watched.apart === undefined ? undefined : pidIn(watched.apart)
      const family = [watched.pid, ...(first === undefined ? [] : [first])].flatMap((pid) => processes.familyOf(pid))
      if (family.length > 0) this.#measureFamily(key, watched, family)
      await breath()
    }
  }

  #measureFamily(key: string, watched: Watched, family: Process[]): void {
    const cpuSeconds = sumOf(family, (p) => p.cpuSeconds)
    watched.baseCpuSeconds ??= cpuSeconds
    const rssMb = sumOf(family, (p) => rssMbOf(p.pid))
    this.#tell({ t: 'measured', key, rssMb, cpuSeconds: cpuSeconds - watched.baseCpuSeconds })
    if (watched.limitMb === null || rssMb <= watched.limitMb) return
    const usedMb = family.length === 1 ? rssMb : sumOf(family, (p) => pssMbOf(p.pid))
    if (usedMb > watched.limitMb) this.#tell({ t: 'over', key, usedMb })
  }
}

const sumOf = <T>(items: readonly T[], of: (item: T) => number): number =>
  items.reduce((sum, item) => sum + of(item), 0)
