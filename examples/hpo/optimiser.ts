/**
 * A Bayesian optimiser that is asked for batches of points and told their losses: it fits a Gaussian process to what it
 * was told, and asks where the loss may be low, believing each point of a batch as it goes so that the next looks elsewhere.
 */
import { fitGaussianProcess, type Predictions, predict } from './gaussianProcess.ts'
import { makeRandom } from './random.ts'

/** What may be varied, by name. `log` spreads the tries evenly over orders of magnitude, and wants low > 0. */
export type Space = Record<string, Dimension>
export type Dimension =
  | { kind: 'real'; low: number; high: number; log?: boolean }
  | { kind: 'integer'; low: number; high: number; log?: boolean }
  | { kind: 'choice'; values: readonly (string | number | boolean)[] }

/** One value for every name of the space; plain JSON. */
export type PointOf<S extends Space> = {
  -readonly [Name in keyof S]: S[Name] extends { kind: 'choice'; values: readonly (infer Value)[] } ? Value : number
}

export type Optimiser<Point> = {
  /**
   * The points to try next, different from each other and from all asked or told before, as long as the space has such.
   * Points asked and not told yet are taken into account, so that one may ask again before all answers are in.
   */
  ask(count: number): Point[]
  /**
   * losses[i] belongs to points[i]; lower is better. What is no finite number is a failure, as bad as the worst seen.
   * Points that were not asked are welcome; a point told again has its loss replaced.
   */
  tell(points: readonly Point[], losses: readonly (number | null | undefined)[]): void
  /** The point with the lowest loss told so far; null before the first. */
  readonly best: Told<Point> | null
}

type Told<Point> = { point: Point; loss: number }

/**
 * What is asked depends on nothing but the space, the seed, and what was asked and told before: an optimiser that is
 * made anew and told the same goes on in the same way.
 */
export const makeOptimiser = <const S extends Space>({
  space,
  seed,
}: {
  space: S
  seed: number
}): Optimiser<PointOf<S>> => {
  type Point = PointOf<S>
  checkSpace(space)
  const told = new Map<string, Told<Point>>()
  const pending = new Map<string, Point>()
  const finite = () => [...told.values()].filter(({ loss }) => Number.isFinite(loss))

  const ask = (count: number): Point[] => {
    const random = makeRandom(Math.imul(seed, 0x9e3779b1) + told.size + pending.size)
    const isNew = distinct(new Set([...told.keys(), ...pending.keys()]))
    const points =
      finite().length < leastSeen(space)
        ? spread(space, count, random).filter(isNew)
        : promising(space, [...told.values()], [...pending.values()], count, isNew, random)
    // Only a space of few points runs out of new ones; then any will do.
    for (let tries = 0; points.length < count; tries++) {
      const point = randomPoint(space, random)
      if (isNew(point) || tries > 100 * count) points.push(point)
    }
    for (const point of points) pending.set(keyOf(point), point)
    return points
  }

  const tell = (points: readonly Point[], losses: readonly (number | null | undefined)[]): void => {
    if (points.length !== losses.length) throw new RangeError(`${points.length} points, but ${losses.length} losses`)
    points.forEach((point, i) => {
      pending.delete(keyOf(point))
      told.set(keyOf(point), { point, loss: losses[i] ?? Number.NaN })
    })
  }

  return {
    ask,
    tell,
    get best() {
      return finite().reduce<Told<Point> | null>((best, one) => (best && best.loss <= one.loss ? best : one), null)
    },
  }
}

/** Until so many losses are known, points are spread evenly: a process fitted to less says little. */
const leastSeen = (space: Space): number => Object.keys(space).length + 2

/** No more points than this enter the process, the best and the latest: its time grows with their third power. */
const mostSeen = 400

/** The points where the process promises most; the process believes each before the next is chosen. */
const promising = <S extends Space>(
  space: S,
  told: Told<PointOf<S>>[],
  pending: PointOf<S>[],
  count: number,
  isNew: (point: PointOf<S>) => boolean,
  random: () => number,
): PointOf<S>[] => {
  const seen = mostTelling(told)
  const process = fitGaussianProcess(
    seen.map(({ point }) => encode(space, point)),
    warp(seen.map(({ loss }) => loss)),
  )
  const points = candidatesOf(space, seen, random).filter(isNew)
  const predictions = predict(
    process,
    [...pending, ...points].map((point) => encode(space, point)),
  )
  for (let i = 0; i < pending.length; i++) predictions.believe(i)

  const left = new Set(points.keys())
  return Array.from({ length: Math.min(count, points.length) }, () => {
    const boldness = boldnessOf(random)
    const choice = smallest(left, (i) => lowerBound(predictions, pending.length + i, boldness))
    left.delete(choice)
    predictions.believe(pending.length + choice)
    return points[choice]!
  })
}

const randomCandidates = 750
const nearbyCandidates = 750
const bestKept = 10

/** Points from all over the space, and points close to the best ones. */
const candidatesOf = <S extends Space>(space: S, seen: Told<PointOf<S>>[], random: () => number): PointOf<S>[] => {
  const best = seen
    .toSorted((a, b) => a.loss - b.loss)
    .slice(0, bestKept)
    .map(({ point }) => encode(space, point))
  return [
    ...Array.from({ length: randomCandidates }, () => randomPoint(space, random)),
    ...Array.from({ length: nearbyCandidates }, (_, i) => decode(space, jiggle(best[i % best.length]!, random))),
  ]
}

const lowerBound = ({ means, variances }: Predictions, candidate: number, boldness: number): number =>
  means[candidate]! - boldness * Math.sqrt(Math.max(variances[candidate]!, 0))

const smallest = (numbers: Iterable<number>, measure: (number: number) => number): number => {
  let choice = -1
  let lowest = Number.POSITIVE_INFINITY
  for (const number of numbers) {
    const value = measure(number)
    if (choice >= 0 && value >= lowest) continue
    lowest = value
    choice = number
  }
  return choice
}

/**
 * How many standard deviations below the mean a point is judged by. Drawn anew for each point of a batch, so that some
 * refine what is known to be good and others look where little is known.
 */
const boldnessOf = (random: () => number): number => 0.2 + 2.5 * random()

/** Failures count as the worst loss seen. */
const mostTelling = <Point>(told: Told<Point>[]): Told<Point>[] => {
  const worst = Math.max(...told.map(({ loss }) => loss).filter(Number.isFinite))
  const finite = told.map(({ point, loss }) => ({ point, loss: Number.isFinite(loss) ? loss : worst }))
  if (finite.length <= mostSeen) return finite
  const latest = finite.slice(-mostSeen / 2)
  const best = finite
    .slice(0, -mostSeen / 2)
    .sort((a, b) => a.loss - b.loss)
    .slice(0, mostSeen / 2)
  return [...best, ...latest]
}

/**
 * Losses as the process likes them: the better half on a line, the worse half by its logarithm, since how bad the
 * bad ones are (a diverged training may be a thousand times worse) says nothing about where the good ones lie.
 */
const warp = (losses: number[]): number[] => {
  const sorted = losses.toSorted((a, b) => a - b)
  const median = sorted[Math.floor(sorted.length / 2)]!
  const scale = median - sorted[0]! || 1
  return losses.map((loss) => (loss <= median ? (loss - median) / scale : Math.log1p((loss - median) / scale)))
}

/** A point near another: some coordinates moved, by steps small and large. */
const jiggle = (coordinates: Float64Array, random: () => number): Float64Array => {
  const share = 0.1 + 0.9 * random()
  const size = 0.3 * 10 ** (-1.5 * random())
  const one = Math.floor(random() * coordinates.length)
  return coordinates.map((value, c) => (c === one || random() < share ? reflect(value + size * normal(random)) : value))
}

/** Back into [0, 1] at its ends. */
const reflect = (value: number): number => {
  const folded = Math.abs(value) % 2
  return folded > 1 ? 2 - folded : folded
}

const normal = (random: () => number): number =>
  Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())

/** A Latin hypercube: of `count` equal slices of every dimension, each holds one point. */
const spread = <S extends Space>(space: S, count: number, random: () => number): PointOf<S>[] => {
  const slices = Object.keys(space).map(() => shuffled(count, random))
  return Array.from({ length: count }, (_, i) => pointAt(space, (d) => (slices[d]![i]! + random()) / count))
}

const shuffled = (count: number, random: () => number): number[] => {
  const numbers = Array.from({ length: count }, (_, i) => i)
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
    ;[numbers[i], numbers[j]] = [numbers[j]!, numbers[i]!]
  }
  return numbers
}

/** An even draw from the space; what random search does. */
export const randomPoint = <S extends Space>(space: S, random: () => number): PointOf<S> => pointAt(space, random)

/** The point whose every dimension lies at a fraction in [0, 1] of its range. */
const pointAt = <S extends Space>(space: S, fractionOf: (dimension: number) => number): PointOf<S> =>
  Object.fromEntries(
    Object.entries(space).map(([name, dimension], d) => [name, valueAt(dimension, fractionOf(d))]),
  ) as PointOf<S>

const valueAt = (dimension: Dimension, fraction: number): string | number | boolean => {
  if (dimension.kind === 'choice') {
    return dimension.values[Math.min(Math.floor(fraction * dimension.values.length), dimension.values.length - 1)]!
  }
  const [low, high] = scaledRange(dimension)
  const scaled = low + fraction * (high - low)
  const value = dimension.log ? Math.exp(scaled) : scaled
  return Math.min(dimension.high, Math.max(dimension.low, dimension.kind === 'integer' ? Math.round(value) : value))
}

/** Where a number's range begins and ends on the scale on which tries are even; whole numbers own half a step at each end. */
const scaledRange = ({ kind, low, high, log }: Dimension & { kind: 'real' | 'integer' }): [number, number] => {
  const margin = kind === 'integer' ? 0.5 : 0
  const ends: [number, number] = [low - margin, high + margin]
  return log ? [Math.log(ends[0]), Math.log(ends[1])] : ends
}

/** A point's coordinates in the unit cube: one for a number, one for each value of a choice (1 for the one taken). */
const encode = <S extends Space>(space: S, point: PointOf<S>): Float64Array =>
  Float64Array.from(
    Object.entries(space).flatMap(([name, dimension]) => {
      const value = point[name as keyof S]
      if (dimension.kind === 'choice') return dimension.values.map((other) => (other === value ? 1 : 0))
      const [low, high] = scaledRange(dimension)
      return ((dimension.log ? Math.log(value as number) : (value as number)) - low) / (high - low)
    }),
  )

const decode = <S extends Space>(space: S, coordinates: Float64Array): PointOf<S> => {
  let at = 0
  return Object.fromEntries(
    Object.entries(space).map(([name, dimension]) => {
      if (dimension.kind !== 'choice') return [name, valueAt(dimension, coordinates[at++]!)]
      const votes = [...coordinates.subarray(at, at + dimension.values.length)]
      at += dimension.values.length
      return [name, dimension.values[votes.indexOf(Math.max(...votes))]!]
    }),
  ) as PointOf<S>
}

/** Points are the same when all their values are, in whatever order they are written. */
const keyOf = (point: object): string => JSON.stringify(Object.entries(point).sort(([a], [b]) => (a < b ? -1 : 1)))

/** Says of each point whether it is met for the first time. */
const distinct =
  (known: Set<string>) =>
  (point: object): boolean => {
    const key = keyOf(point)
    if (known.has(key)) return false
    known.add(key)
    return true
  }

const checkSpace = (space: Space): void => {
  if (Object.keys(space).length === 0) throw new RangeError('space: give at least one dimension')
  for (const [name, dimension] of Object.entries(space)) {
    if (dimension.kind === 'choice') {
      if (dimension.values.length === 0) throw new RangeError(`space.${name}: a choice needs at least one value`)
    } else if (!(dimension.low < dimension.high)) {
      throw new RangeError(`space.${name}: low (${dimension.low}) must be less than high (${dimension.high})`)
    } else if (dimension.log && dimension.low <= 0) {
      throw new RangeError(`space.${name}: a logarithmic range must begin above 0, not at ${dimension.low}`)
    }
  }
}
