import { sleep } from '../../lib/clock.ts'
import {
  breath,
  familySince,
  type Process,
  pidIn,
  pssMbOf,
  readProcess,
  readProcessesGently,
  rssMbOf,
} from '../processTable.ts'
import type { FromSecond } from './messages.ts'

type Watched = {
  pid: number
  /** A file with the number of a process that is measured too, with its family. */
  apart: string | undefined
  limitMb: number | null
  baseCpuSeconds: number | null
  /** As it was when it was looked at last. */
  family: Process[]
}

/** On a busy machine a look at limits takes long; it is repeated after so long at the latest, ms. A payload may take a gigabyte in it. */
const longestMs = 500

/**
 * Measures the memory and CPU time of whole families of processes. Resident memory is cheap to read, but counts what processes share once for each;
 * so before a family is said to be over its limit, its fair parts are added up (workers forked from a large parent would seem to multiply it).
 *
 * Who belongs to a family is seen among all processes, which with thousands of them on a busy machine takes seconds: that is done seldom. Between, families with
 * a limit are looked at by themselves. The thread's other work goes on meanwhile: the lease is renewed in it too.
 */
export class Meter {
  readonly #tell: (message: FromSecond) => void
  readonly #watched = new Map<string, Watched>()
  readonly #limitedMs: number
  readonly #unlimitedMs: number
  #measuring = false
  #guarding = false
  /** Somebody has come since the last look. */
  #hasNew = false
  #nap = new AbortController()

  /** How often families with a limit are looked at, and how often all processes, ms. */
  constructor(tell: (message: FromSecond) => void, { limitedMs = 250, unlimitedMs = 2000 } = {}) {
    this.#tell = tell
    this.#limitedMs = limitedMs
    this.#unlimitedMs = unlimitedMs
  }

  /** `apart`: a file with the number of a process that is measured too, with its family. */
  watch(key: string, pid: number, limitMb: number | null, apart?: string): void {
    this.#watched.set(key, { pid, apart, limitMb, baseCpuSeconds: null, family: readProcess(pid) })
    this.#hasNew = true
    this.#nap.abort()
    if (!this.#measuring) void this.#measureWhileWatched()
    if (!this.#guarding && limitMb !== null) void this.#guardLimits()
  }

  unwatch(key: string): void {
    this.#watched.delete(key)
  }

  async #measureWhileWatched(): Promise<void> {
    this.#measuring = true
    while (this.#watched.size > 0) {
      const began = performance.now()
      this.#hasNew = false
      const processes = await readProcessesGently()
      await this.#lookAt((watched) =>
        [watched.pid, ...apartOf(watched).map(({ pid }) => pid)].flatMap((pid) => processes.familyOf(pid)),
      )
      await this.#rest(performance.now() - began)
    }
    this.#measuring = false
  }

  /** Until the next look: never more than a tenth of one core goes into looking, or half of one while many come. */
  async #rest(tookMs: number): Promise<void> {
    const began = performance.now()
    for (;;) {
      const left = (this.#hasNew ? tookMs : Math.max(9 * tookMs, this.#unlimitedMs)) - (performance.now() - began)
      if (left <= 0) return
      this.#nap = new AbortController()
      await sleep(left, this.#nap.signal)
    }
  }

  async #guardLimits(): Promise<void> {
    this.#guarding = true
    const isLimited = ({ limitMb }: Watched) => limitMb !== null
    while ([...this.#watched.values()].some(isLimited)) {
      const began = performance.now()
      await this.#lookAt((watched) => familySince([...watched.family, ...apartOf(watched)]), isLimited)
      await sleep(Math.max(this.#limitedMs, Math.min(9 * (performance.now() - began), longestMs)))
    }
    this.#guarding = false
  }

  async #lookAt(familyOf: (watched: Watched) => Process[], isWanted = (_: Watched) => true): Promise<void> {
    for (const [key, watched] of [...this.#watched]) {
      if (this.#watched.get(key) !== watched || !isWanted(watched)) continue
      watched.family = familyOf(watched)
      if (watched.family.length > 0) this.#measureFamily(key, watched)
      await breath()
    }
  }

  #measureFamily(key: string, watched: Watched): void {
    const { family, limitMb } = watched
    const cpuSeconds = sumOf(family, (p) => p.cpuSeconds)
    watched.baseCpuSeconds ??= cpuSeconds
    const rssMb = sumOf(family, (p) => rssMbOf(p.pid))
    this.#tell({ t: 'measured', key, rssMb, cpuSeconds: cpuSeconds - watched.baseCpuSeconds })
    if (limitMb === null || rssMb <= limitMb) return
    const usedMb = family.length === 1 ? rssMb : sumOf(family, (p) => pssMbOf(p.pid))
    if (usedMb > limitMb) this.#tell({ t: 'over', key, usedMb })
  }
}

/** The process that is nobody's child here, once it is known. */
const apartOf = ({ apart }: Watched): Process[] => {
  const pid = apart === undefined ? undefined : pidIn(apart)
  return pid === undefined ? [] : readProcess(pid)
}

const sumOf = <T>(items: readonly T[], of: (item: T) => number): number =>
  items.reduce((sum, item) => sum + of(item), 0)
