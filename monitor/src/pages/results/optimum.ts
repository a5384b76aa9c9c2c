/** What numbers of many trials tell: the best so far, who is beaten by nobody, and which parameters matter. Lower is better. */

/** The lowest up to each place; null before the first number. */
export const bestSoFar = (values: readonly (number | null)[]): (number | null)[] => {
  let best: number | null = null
  return values.map((value) => {
    if (value !== null && (best === null || value < best)) best = value
    return best
  })
}

/** Places of those that nobody beats in both, from the lowest first number to the highest. */
export const paretoFront = (first: readonly number[], second: readonly number[]): number[] => {
  const order = [...first.keys()].sort((a, b) => first[a]! - first[b]! || second[a]! - second[b]!)
  let least = Number.POSITIVE_INFINITY
  return order.filter((i) => {
    if (second[i]! >= least) return false
    least = second[i]!
    return true
  })
}

/** The ranks of numbers from 0 on; equal ones share the mean of theirs. */
const ranksOf = (numbers: readonly number[]): number[] => {
  const order = [...numbers.keys()].sort((a, b) => numbers[a]! - numbers[b]!)
  const ranks = new Array<number>(numbers.length)
  for (let i = 0; i < order.length; ) {
    let end = i
    while (end + 1 < order.length && numbers[order[end + 1]!] === numbers[order[i]!]) end++
    for (let k = i; k <= end; k++) ranks[order[k]!] = (i + end) / 2
    i = end + 1
  }
  return ranks
}

/** Spearman's rank correlation, -1 to 1; 0 when one of them is always the same. */
export const rankCorrelation = (a: readonly number[], b: readonly number[]): number => {
  const [ra, rb] = [ranksOf(a), ranksOf(b)]
  const mean = (a.length - 1) / 2
  let [ab, aa, bb] = [0, 0, 0]
  for (let i = 0; i < a.length; i++) {
    const [da, db] = [ra[i]! - mean, rb[i]! - mean]
    ab += da * db
    aa += da * da
    bb += db * db
  }
  return aa === 0 || bb === 0 ? 0 : ab / Math.sqrt(aa * bb)
}
