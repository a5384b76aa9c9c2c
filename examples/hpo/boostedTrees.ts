/**
 * Gradient-boosted decision trees for two classes: logistic loss, splits by first and second derivatives (as XGBoost
 * weighs them), columns cut into at most 64 bins. Small enough to read; a few hundred trees a second on a few thousand rows.
 */

export type BoostingParams = {
  /** Number of trees. */
  rounds: number
  /** The part of each tree's answer that is added to the sum, in (0, 1]. */
  learningRate: number
  /** Longest path from the root of a tree to a leaf, in splits. */
  maxDepth: number
  /** Least sum of second derivatives p(1 − p) in a leaf; a row already told with certainty weighs nothing. */
  minChildWeight: number
  /** L2 penalty on the values of leaves. */
  lambda: number
  /** Least gain that pays for a split, in units of the summed log-loss. */
  gamma: number
  /** Fraction of the training rows that each tree sees, in (0, 1]. */
  rowFraction: number
  /** Fraction of the columns that each tree sees, in (0, 1]. */
  columnFraction: number
}

/** Columns of equal length whose values are replaced by the numbers of their bins. */
export type BinnedTable = { rows: number; columns: Uint8Array[] }

export type Model = { baseScore: number; trees: Tree[] }

type Tree = Node[]
/** A node without a column (−1) is a leaf; others send a row left when its bin in `column` is at most `bin`. */
type Node = { column: number; bin: number; left: number; right: number; value: number }

/** Of the loss by each row's score: the first at 2 · row, the second at 2 · row + 1. */
type Derivatives = Float64Array

const maxBins = 64

/** Cuts every column at its quantiles. What is not finite (a value nobody measured) falls in the lowest bin. */
export const binTable = (columns: number[][]): BinnedTable => ({
  rows: columns[0]?.length ?? 0,
  columns: columns.map((values) => {
    const edges = quantiles(values.filter(Number.isFinite), maxBins)
    return Uint8Array.from(values, (value) => (Number.isFinite(value) ? countAtMost(edges, value) : 0))
  }),
})

/**
 * Trains on the rows whose numbers are in `trainRows`; `labels` holds 0 or 1 for every row of the table.
 * Equal arguments and an equal stream of `random` (numbers in [0, 1)) give an equal model.
 */
export const fitBoostedTrees = (
  table: BinnedTable,
  labels: Uint8Array,
  trainRows: Int32Array,
  params: BoostingParams,
  random: () => number,
): Model => {
  const baseScore = logOdds(trainRows.reduce((sum, row) => sum + labels[row]!, 0) / trainRows.length)
  const scores = new Float64Array(table.rows).fill(baseScore)
  const derivatives: Derivatives = new Float64Array(2 * table.rows)
  const allColumns = Int32Array.from(table.columns.keys())
  const trees: Tree[] = []
  for (let round = 0; round < params.rounds; round++) {
    for (const row of trainRows) {
      const probability = sigmoid(scores[row]!)
      derivatives[2 * row] = probability - labels[row]!
      derivatives[2 * row + 1] = probability * (1 - probability)
    }
    const rows = pickFraction(trainRows, params.rowFraction, random)
    const columns = pickFraction(allColumns, params.columnFraction, random)
    const tree = growTree(table, derivatives, rows, columns, params)
    for (const row of trainRows) scores[row]! += valueAt(tree, table, row)
    trees.push(tree)
  }
  return { baseScore, trees }
}

/** The probability that a row of the table is of class 1. */
export const predictRow = (model: Model, table: BinnedTable, row: number): number => {
  let score = model.baseScore
  for (const tree of model.trees) score += valueAt(tree, table, row)
  return sigmoid(score)
}

/**
 * Grows depth first; every node owns a run of `rows`, which a split divides in place. Of two children only the smaller
 * one's histogram is counted: the other's is what remains of the parent's, which halves the time.
 */
const growTree = (
  table: BinnedTable,
  derivatives: Derivatives,
  rows: Int32Array,
  columns: Int32Array,
  params: BoostingParams,
): Tree => {
  const tree: Tree = []
  const grow = (run: Int32Array, histogram: Float64Array, depth: number): number => {
    const { slope, curvature } = sumOf(histogram)
    const value = (-params.learningRate * slope) / (curvature + params.lambda)
    const node: Node = { column: -1, bin: 0, left: 0, right: 0, value }
    const at = tree.push(node) - 1
    if (depth === params.maxDepth || curvature < 2 * params.minChildWeight) return at
    const split = bestSplit(histogram, slope, curvature, params)
    if (!split) return at
    node.column = columns[split.place]!
    node.bin = split.bin
    const middle = divide(run, table.columns[node.column]!, split.bin)
    const left = run.subarray(0, middle)
    const right = run.subarray(middle)
    const smaller = left.length < right.length ? left : right
    const counted = histogramOf(table, derivatives, smaller, columns)
    const remaining = histogram
    for (let i = 0; i < remaining.length; i++) remaining[i]! -= counted[i]!
    node.left = grow(left, smaller === left ? counted : remaining, depth + 1)
    node.right = grow(right, smaller === left ? remaining : counted, depth + 1)
    return at
  }
  grow(rows, histogramOf(table, derivatives, rows, columns), 0)
  return tree
}

/** For each of `columns`, for each bin: the sum of the slopes, then of the curvatures, of the rows in it. */
const histogramOf = (
  table: BinnedTable,
  derivatives: Derivatives,
  rows: Int32Array,
  columns: Int32Array,
): Float64Array => {
  const histogram = new Float64Array(columns.length * maxBins * 2)
  for (let place = 0; place < columns.length; place++) {
    const codes = table.columns[columns[place]!]!
    const start = place * maxBins * 2
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i]!
      const cell = start + 2 * codes[row]!
      histogram[cell]! += derivatives[2 * row]!
      histogram[cell + 1]! += derivatives[2 * row + 1]!
    }
  }
  return histogram
}

/** The split with the greatest gain in the second-order expansion of the penalised loss, if any gains enough. */
const bestSplit = (
  histogram: Float64Array,
  slope: number,
  curvature: number,
  { lambda, gamma, minChildWeight }: BoostingParams,
): { place: number; bin: number } | null => {
  const whole = slope ** 2 / (curvature + lambda)
  let best: { place: number; bin: number } | null = null
  let bestGain = 2 * gamma
  for (let start = 0; start < histogram.length; start += 2 * maxBins) {
    let leftSlope = 0
    let leftCurvature = 0
    for (let bin = 0; bin < maxBins - 1; bin++) {
      leftSlope += histogram[start + 2 * bin]!
      leftCurvature += histogram[start + 2 * bin + 1]!
      const rightCurvature = curvature - leftCurvature
      if (leftCurvature < minChildWeight) continue
      if (rightCurvature < minChildWeight) break
      const gain =
        leftSlope ** 2 / (leftCurvature + lambda) + (slope - leftSlope) ** 2 / (rightCurvature + lambda) - whole
      if (gain > bestGain) {
        bestGain = gain
        best = { place: start / (2 * maxBins), bin }
      }
    }
  }
  return best
}

/** Moves the rows that go left to the front; returns how many they are. */
const divide = (rows: Int32Array, codes: Uint8Array, bin: number): number => {
  let middle = 0
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i]!
    if (codes[row]! > bin) continue
    rows[i] = rows[middle]!
    rows[middle++] = row
  }
  return middle
}

const valueAt = (tree: Tree, table: BinnedTable, row: number): number => {
  let node = tree[0]!
  while (node.column >= 0) node = tree[table.columns[node.column]![row]! <= node.bin ? node.left : node.right]!
  return node.value
}

/** A new array with a random part of the items, at least one: the first steps of a Fisher-Yates shuffle. */
const pickFraction = (items: Int32Array, fraction: number, random: () => number): Int32Array => {
  const picked = items.slice()
  const count = Math.max(1, Math.round(fraction * items.length))
  if (count === items.length) return picked
  for (let i = 0; i < count; i++) {
    const j = i + Math.floor(random() * (items.length - i))
    const item = picked[j]!
    picked[j] = picked[i]!
    picked[i] = item
  }
  return picked.subarray(0, count)
}

/** At most `parts` − 1 distinct values that divide the numbers into equally full parts. */
const quantiles = (numbers: number[], parts: number): number[] => {
  const sorted = numbers.toSorted((a, b) => a - b)
  const edges = Array.from({ length: parts - 1 }, (_, i) => sorted[Math.floor(((i + 1) * sorted.length) / parts)]!)
  return [...new Set(edges)]
}

/** Every row is in one bin of the first column. */
const sumOf = (histogram: Float64Array): { slope: number; curvature: number } => {
  let slope = 0
  let curvature = 0
  for (let i = 0; i < 2 * maxBins; i += 2) {
    slope += histogram[i]!
    curvature += histogram[i + 1]!
  }
  return { slope, curvature }
}

const countAtMost = (edges: number[], value: number): number => edges.filter((edge) => edge <= value).length

const sigmoid = (score: number): number => 1 / (1 + Math.exp(-score))

const logOdds = (probability: number): number => Math.log(probability / (1 - probability))
