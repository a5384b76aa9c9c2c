/** What the pilot's two threads say to each other. */
export type Held = { jobId: string; attempt: number }

export type ToSecond =
  /** From now on this is who we are: renew every so often. */
  | { t: 'serve'; pilotId: string; epoch: number; renewSeconds: number }
  /** The answer to `whatIsHeld`; `nextClaim`: the first claim whose answer is not in it. */
  | { t: 'held'; list: Held[]; nextClaim: number }
  /** Measure the family of process `pid` for this attempt, and that of the process whose number is in the file `apart`. */
  | { t: 'watch'; key: string; pid: number; limitMb: number | null; apart?: string }
  | { t: 'unwatch'; key: string }

export type FromSecond =
  | { t: 'whatIsHeld' }
  | { t: 'renewed'; cancel: Held[]; drop: Held[] }
  /** The server refused the renewal of this epoch: `pilot_unknown` or `pilot_replaced`. */
  | { t: 'refused'; code: string; message: string; epoch: number }
  | { t: 'measured'; key: string; rssMb: number; cpuSeconds: number }
  | { t: 'over'; key: string; usedMb: number }

export type SecondData = { url: string; token: string | null }
