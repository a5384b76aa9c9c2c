import type { Histogram } from '../../contract/tasks.ts'

/** So many buckets of equal width there are, and one more where they begin between two bounds. */
const mostBuckets = 20

/** What is finer than this part of the largest is no difference. */
const finest = 1 / 200

/** Where values span more, all that is smaller is one bucket. */
const mostDecades = 6

/** How numbers of 0 or more are distributed; null of none. */
export const histogramOf = (values: readonly number[]): Histogram | null => {
  if (values.length === 0) return null
  const sorted = Float64Array.from(values).sort()
  const quantile = (q: number) => sorted[Math.ceil(q * sorted.length) - 1]!
  const [min, p50, max] = [sorted[0]!, quantile(0.5), quantile(1)]
  // With equal widths half of them would stand in the first bucket.
  const isWide = max > mostBuckets * p50
  const bounds = isWide ? boundsByDecade(sorted.find((value) => value > 0)!, min, max) : boundsByStep(min, max)
  return { jobs: sorted.length, p50, p95: quantile(0.95), max, buckets: filled(bounds, sorted) }
}

const boundsByStep = (min: number, max: number): number[] => {
  const step = roundedUp(Math.max((max - min) / mostBuckets, max * finest)) || 1
  const first = Math.floor(min / step)
  const bounds = [round(first * step)]
  for (let n = first + 1; bounds.at(-1)! <= max; n++) bounds.push(round(n * step))
  return bounds
}

/** 0, and then 1, 2, 5, 10, 20 …: those between which there is something. */
const boundsByDecade = (smallest: number, min: number, max: number): number[] => {
  const last = decadeOf(max)
  const first = Math.max(decadeOf(smallest), last - mostDecades + 1)
  const decades = Array.from({ length: last - first + 1 }, (_, i) => first + i)
  const bounds = [0, ...decades.flatMap((decade) => [1, 2, 5].map((n) => round(n * ten(decade)))), ten(last + 1)]
  return bounds.slice(
    bounds.findLastIndex((bound) => bound <= min),
    bounds.findIndex((bound) => bound > max) + 1,
  )
}

/** How many of the sorted lie between each two bounds. */
const filled = (bounds: readonly number[], sorted: Float64Array): Histogram['buckets'] => {
  let n = 0
  return bounds.slice(1).map((to, i) => {
    const before = n
    while (n < sorted.length && sorted[n]! < to) n++
    return { from: bounds[i]!, to, jobs: n - before }
  })
}

/** To 1, 2 or 5 of its decade; 0 stays. */
const roundedUp = (x: number): number => {
  if (x === 0) return 0
  const unit = ten(decadeOf(x))
  return round(unit * [1, 2, 5, 10].find((n) => n * unit >= x)!)
}

/** Nothing measured is finer; and below 1e-307 a double has fewer digits, down to none. */
const smallestDecade = -300

const decadeOf = (x: number): number => Math.max(smallestDecade, Math.floor(Math.log10(x)))

/** Exact, as powers of 10 are not. */
const ten = (decade: number): number => Number(`1e${decade}`)

/** Without the last digits, in which sums and products of decimals are wrong. */
const round = (x: number): number => Number(x.toPrecision(12))
