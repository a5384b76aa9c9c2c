import { openSync, readSync, writeSync } from 'node:fs'

/** Of jobs shorter than this many may pass without a look at the pilot's words, the memory, and what native code has printed, ms. */
export const shortMs = 5

/**
 * What jobs compute, s. To ask the system takes as long as a trivial job, so of one that takes less than a millisecond all its time counts, and is taken off what the next
 * longer one is found to have used.
 */
export const cpuMeter = (() => {
  const used = () => {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1e6
  }
  let last = 0
  let short = 0
  return {
    reset: () => {
      last = used()
      short = 0
    },
    /** Of the job that has just ended, after so many ms. */
    seconds: (ms: number) => {
      if (ms < 1) {
        short += ms / 1000
        return ms / 1000
      }
      const before = last + short
      cpuMeter.reset()
      return Math.max(0, last - before)
    },
  }
})()

/** The peak of this process since the last reset, MB. */
export const peakMemory = {
  lastMb: 0,
  readMs: Number.NEGATIVE_INFINITY,
  reset: () => peakMeter.reset(),
  /** For a job of so many ms. Reading takes 20 µs, so what was read lately does for short ones. */
  recentMb(ms: number): number {
    const now = performance.now()
    if (ms >= shortMs || now - this.readMs > 100) [this.lastMb, this.readMs] = [peakMeter.readMb(), now]
    return this.lastMb
  },
}

/**
 * Linux forgets the peak when told to. Elsewhere it is what the process has now; the peak of its whole life, which `process.resourceUsage` has, may be that of
 * another job.
 */
const peakMeter = (() => {
  try {
    const [status, forget] = [openSync('/proc/self/status', 'r'), openSync('/proc/self/clear_refs', 'w')]
    const text = Buffer.alloc(4096)
    const readMb = () =>
      (Number(/VmHWM:\s+(\d+)/.exec(text.toString('latin1', 0, readSync(status, text, 0, 4096, 0)))![1]) * 1024) / 1e6
    return { reset: () => void writeSync(forget, '5', 0), readMb }
  } catch {
    return { reset: () => {}, readMb: () => process.memoryUsage.rss() / 1e6 }
  }
})()

/** What is smaller says nothing, but is written and read again by everybody on the way. */
export const toMicroseconds = (seconds: number): number => Math.round(seconds * 1e6) / 1e6
