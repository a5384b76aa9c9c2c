/**
 * What a process counts and measures for those who watch it. Whoever does something tells these instruments and knows no more of them; `main` gives it real ones,
 * and a test none.
 *
 * Labels are words of small fixed sets: routes, states, queues. Never an id, nor anything that users write: each new word is kept for ever.
 */
export type Counter = { add(n: number, ...labels: string[]): void }
export type Histogram = { observe(value: number, ...labels: string[]): void }
/** A value that is read when someone asks. */
export type Gauge = { readBy(read: () => readonly Reading[] | Promise<readonly Reading[]>): void }
export type Reading = readonly [value: number, ...labels: string[]]

type About = { name: string; help: string; labels: readonly string[] }
export type Described = About &
  ({ kind: 'counter' } | { kind: 'gauge' } | { kind: 'histogram'; buckets: readonly number[] })

/** The instruments of one part of Culm by the names that its code has for them; what watchers call them is inside. */
export type Catalogue = Record<string, Described>

export type Instruments<C extends Catalogue> = {
  readonly [K in keyof C]: C[K]['kind'] extends 'counter' ? Counter : C[K]['kind'] extends 'gauge' ? Gauge : Histogram
}

export const counter = <const L extends readonly string[]>(name: string, help: string, labels: L) =>
  ({ kind: 'counter', name, help, labels }) as const

export const gauge = <const L extends readonly string[]>(name: string, help: string, labels: L) =>
  ({ kind: 'gauge', name, help, labels }) as const

export const histogram = <const L extends readonly string[]>(
  name: string,
  help: string,
  labels: L,
  buckets: readonly number[],
) => ({ kind: 'histogram', name, help, labels, buckets }) as const

/** From a millisecond to a minute, s. */
export const secondsBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60] as const

/** How many went together. */
export const sizeBuckets = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000] as const

/** Instruments that do nothing. */
export const noInstruments = <C extends Catalogue>(catalogue: C): Instruments<C> =>
  Object.fromEntries(Object.keys(catalogue).map((key) => [key, { add() {}, observe() {}, readBy() {} }])) as never
