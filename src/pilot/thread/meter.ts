import { sleep } from '../../lib/clock.ts'
import { familyOf, type Process, pssMbOf, readProcesses, rssMbOf } from '../processTable.ts'
import type { FromSecond } from './messages.ts'

type Watched = { pid: number; limitMb: number | null; baseCpuSeconds: number | null }

/** How often processes are measured when some have a limit, and when none has, ms. */
const limitedMs = 250
const unlimitedMs = 2000

/**
 * Measures the memory and CPU time of whole families of processes. Resident memory is cheap to read, but counts what processes share once for each;
 * so before a family is said to be over its limit, its fair parts are added up (workers forked from a large parent would seem to multiply it).
 */
export class Meter {
  readonly #tell: (message: FromSecond) => void
  readonly #watched = new Map<string, Watched>()
  #measuring = false
  #nap = new AbortController()

  constructor(tell: (message: FromSecond) => void) {
    this.#tell = tell
  }

  watch(key: string, pid: number, limitMb: number | null): void {
    this.#watched.set(key, { pid, limitMb, baseCpuSeconds: null })
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
      this.#measure()
      const limited = [...this.#watched.values()].some(({ limitMb }) => limitMb !== null)
      // On a machine with many thousand processes a look costs more; never more than a tenth of one core.
      this.#nap = new AbortController()
      await sleep(Math.max(limited ? limitedMs : unlimitedMs, 9 * (performance.now() - began)), this.#nap.signal)
    }
    this.#measuring = false
  }

  #measure(): void {
    const processes = readProcesses()
    for (const [key, watched] of this.#watched) {
      const family = familyOf(processes, watched.pid)
      if (family.length > 0) this.#measureFamily(key, watched, family)
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
