/** A time on the clock of the reader: `2026-03-01 14:05:09`. */
export const localTime = (at: string | Date): string => {
  const date = new Date(at)
  const two = (n: number) => String(n).padStart(2, '0')
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join('-')
  return `${day} ${[date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(':')}`
}

/** A duration in the two largest units that matter: `0.4 s`, `12 s`, `3 m 05 s`, `2 h 10 m`, `5 d 3 h`. */
export const duration = (seconds: number): string => {
  if (seconds < 10) return `${Math.max(0, seconds).toFixed(1)} s`
  const s = Math.round(seconds)
  const two = (n: number) => String(n).padStart(2, '0')
  if (s < 60) return `${s} s`
  if (s < 3600) return `${Math.floor(s / 60)} m ${two(s % 60)} s`
  if (s < 86_400) return `${Math.floor(s / 3600)} h ${two(Math.floor((s % 3600) / 60))} m`
  return `${Math.floor(s / 86_400)} d ${Math.floor((s % 86_400) / 3600)} h`
}

/** How long ago, in one unit: `12s`, `5m`, `3h`, `2d`. A clock that is behind the server's gives `0s`. */
export const ago = (at: string, now: Date): string => {
  const s = Math.max(0, Math.floor((now.getTime() - new Date(at).getTime()) / 1000))
  if (s < 60) return `${s}s`
  if (s < 3600) return `${Math.floor(s / 60)}m`
  if (s < 86_400) return `${Math.floor(s / 3600)}h`
  return `${Math.floor(s / 86_400)}d`
}

/** Seconds from one time to another. */
export const secondsBetween = (from: string, to: string | Date): number =>
  (new Date(to).getTime() - new Date(from).getTime()) / 1000
