/**
 * Gaussian-process regression on points of the unit cube: Matérn 5/2 with a length scale for every coordinate, fitted by
 * climbing the posterior of its parameters. Meant for up to a few hundred points: time grows with their third power.
 */

export type GaussianProcess = {
  inputs: Float64Array[]
  kernel: Kernel
  mean: number
  /** The function's variance around its mean, in the units of the outputs squared. */
  amplitude: number
  /** Inverse of the Cholesky factor of the correlation matrix. */
  inverseFactor: Matrix
  /** Inverse of the correlation matrix, times outputs − mean. */
  weights: Float64Array
}

export type Predictions = {
  means: Float64Array
  variances: Float64Array
  /** Narrows the variances as if the function had been seen at that candidate, where its mean was predicted. */
  believe(candidate: number): void
}

/** One length scale for every coordinate; noise is relative to the amplitude. */
type Kernel = { lengthScales: Float64Array; noise: number }

/** Square, by rows. Of triangular and symmetric ones, only the half that is named is right. */
type Matrix = Float64Array[]

/** The kernel is fitted to so many inputs, the last ones; all are then learnt from. Keeps 180 inputs under 0.1 s. */
const mostFitted = 100

/** Fits to what was seen: `inputs` is not empty, all of equal length, with as many `outputs`. */
export const fitGaussianProcess = (inputs: Float64Array[], outputs: number[]): GaussianProcess => {
  const mean = outputs.reduce((sum, output) => sum + output, 0) / outputs.length
  const centred = Float64Array.from(outputs, (output) => output - mean)
  const kernel = fitKernel(squaredDifferences(inputs.slice(-mostFitted)), centred.slice(-mostFitted))
  const squares = squaredDifferences(inputs)
  const { inverseFactor, weights, amplitude } = condition(distancesOf(squares, kernel), kernel, centred)
  return { inputs, kernel, mean, amplitude, inverseFactor, weights }
}

/** What the process expects at each candidate, and how sure it is. */
export const predict = (process: GaussianProcess, candidates: Float64Array[]): Predictions => {
  const { inputs, kernel, mean, amplitude, inverseFactor, weights } = process
  const correlationsWith = (point: Float64Array) =>
    Float64Array.from(candidates, (candidate) => matern(distanceBetween(point, candidate, kernel)))
  const means = new Float64Array(candidates.length).fill(mean)
  const variances = new Float64Array(candidates.length).fill(amplitude)

  // lessons[i][c]: what the i-th thing seen tells of candidate c, beyond what those before it told.
  const lessons: Float64Array[] = []
  const learn = (lesson: Float64Array) => {
    lessons.push(lesson)
    for (let c = 0; c < lesson.length; c++) variances[c]! -= amplitude * lesson[c]! ** 2
  }
  const known = inputs.map(correlationsWith)
  known.forEach((row, i) => {
    addScaled(means, row, weights[i]!)
    const lesson = new Float64Array(candidates.length)
    for (let j = 0; j <= i; j++) addScaled(lesson, known[j]!, inverseFactor[i]![j]!)
    learn(lesson)
  })
  const believe = (candidate: number) => {
    const lesson = correlationsWith(candidates[candidate]!)
    for (const earlier of lessons) addScaled(lesson, earlier, -earlier[candidate]!)
    const pivot = Math.sqrt(Math.max(lesson[candidate]!, 0) + kernel.noise)
    learn(lesson.map((covariance) => covariance / pivot))
  }
  return { means, variances, believe }
}

/** The logs of the length scales, then of the noise: normal before anything is seen, and kept within a range. */
const beliefs = {
  lengthScale: { mean: Math.log(1), spread: 1, low: Math.log(0.05), high: Math.log(20) },
  noise: { mean: Math.log(1e-3), spread: 2, low: Math.log(1e-6), high: Math.log(1) },
}

const climbingRounds = 20

/**
 * The most probable parameters after what was seen, by resilient back-propagation: each parameter has its own step,
 * which grows while the gradient keeps its sign and halves when it turns.
 */
const fitKernel = (squares: Matrix[], centred: Float64Array): Kernel => {
  const priors = [...squares.map(() => beliefs.lengthScale), beliefs.noise]
  const parameters = Float64Array.from(priors, ({ mean }) => mean)
  // Outputs that are all equal say nothing of scales; their likelihood would have the function flat for ever.
  if (centred.every((output) => output === 0)) return kernelOf(parameters)
  const steps = priors.map(() => 0.4)
  const signs = priors.map(() => 0)
  let best = { kernel: kernelOf(parameters), score: Number.NEGATIVE_INFINITY }
  for (let round = 0; round < climbingRounds; round++) {
    const kernel = kernelOf(parameters)
    const likelihood = logLikelihood(squares, centred, kernel)
    let score = likelihood.value
    priors.forEach(({ mean, spread, low, high }, p) => {
      const offset = (parameters[p]! - mean) / spread
      score -= offset ** 2 / 2
      const sign = Math.sign(likelihood.gradient[p]! - offset / spread)
      const turned = sign * signs[p]! < 0
      steps[p] = Math.min(1, steps[p]! * (turned ? 0.5 : sign === signs[p] ? 1.3 : 1))
      signs[p] = turned ? 0 : sign
      parameters[p] = Math.min(high, Math.max(low, parameters[p]! + signs[p]! * steps[p]!))
    })
    if (score > best.score) best = { kernel, score }
  }
  return best.kernel
}

const kernelOf = (parameters: Float64Array): Kernel => ({
  lengthScales: parameters.slice(0, -1).map(Math.exp),
  noise: Math.exp(parameters.at(-1)!),
})

/** Up to a constant, with the amplitude at its most likely; the gradient is by the logs of the kernel's parameters. */
const logLikelihood = (squares: Matrix[], centred: Float64Array, kernel: Kernel) => {
  const n = centred.length
  const distances = distancesOf(squares, kernel)
  const { inverseFactor, weights, amplitude, logDeterminant } = condition(distances, kernel, centred)
  const inverse = timesItsTranspose(inverseFactor)
  // pulls[i][j]: how the likelihood changes with the correlation of inputs i and j, both ways round.
  const pulls = inverse.map((row, i) => row.map((value, j) => (weights[i]! * weights[j]!) / amplitude - value))
  const gradient = new Float64Array(squares.length + 1)
  for (let i = 0; i < n; i++) {
    const pull = pulls[i]!
    gradient[squares.length]! += (kernel.noise * pull[i]!) / 2
    for (let j = i + 1; j < n; j++) pull[j]! *= maternSlope(distances[i]![j]!)
    squares.forEach((square, c) => {
      gradient[c]! += dot(pull, square[i]!, i + 1) / kernel.lengthScales[c]! ** 2
    })
  }
  return { value: -(n * Math.log(amplitude) + logDeterminant) / 2, gradient }
}

/** What distances (upper half) and outputs say together. */
const condition = (distances: Matrix, { noise }: Kernel, centred: Float64Array) => {
  const correlation = distances.map((row, i) => {
    const correlations = new Float64Array(row.length)
    correlations[i] = 1 + noise
    for (let j = i + 1; j < row.length; j++) correlations[j] = matern(row[j]!)
    return correlations
  })
  const { factor, logDeterminant } = factorise(correlation)
  const inverseFactor = invertLower(factor)
  const whitened = inverseFactor.map((row) => dot(row, centred))
  const weights = new Float64Array(centred.length)
  for (const [i, row] of inverseFactor.entries()) addScaled(weights, row, whitened[i]!)
  const amplitude = Math.max(whitened.reduce((sum, value) => sum + value ** 2, 0) / centred.length, 1e-12)
  return { inverseFactor, weights, amplitude, logDeterminant }
}

/** squares[c][i][j], j > i: the squared difference of inputs i and j in coordinate c. */
const squaredDifferences = (inputs: Float64Array[]): Matrix[] =>
  Array.from(inputs[0]!, (_, c) =>
    inputs.map((a, i) => Float64Array.from(inputs, (b, j) => (j > i ? (a[c]! - b[c]!) ** 2 : 0))),
  )

/** Squared distances in length scales, upper half. */
const distancesOf = (squares: Matrix[], { lengthScales }: Kernel): Matrix =>
  squares[0]!.map((_, i) => {
    const row = new Float64Array(squares[0]!.length)
    for (const [c, square] of squares.entries()) addScaled(row, square[i]!, 1 / lengthScales[c]! ** 2)
    return row
  })

const distanceBetween = (a: Float64Array, b: Float64Array, { lengthScales }: Kernel): number => {
  let distance = 0
  for (let c = 0; c < a.length; c++) distance += ((a[c]! - b[c]!) / lengthScales[c]!) ** 2
  return distance
}

/** The correlation of two points by their squared distance. */
const matern = (distance: number): number => {
  const scaled = Math.sqrt(5 * distance)
  return (1 + scaled + (scaled * scaled) / 3) * Math.exp(-scaled)
}

/** How that changes with the log of a length scale, for each unit of squared distance along its coordinate. */
const maternSlope = (distance: number): number => {
  const scaled = Math.sqrt(5 * distance)
  return (5 / 3) * (1 + scaled) * Math.exp(-scaled)
}

/** The Cholesky factor (lower) of a symmetric matrix, whose upper half is read and overwritten. */
const factorise = (matrix: Matrix): { factor: Matrix; logDeterminant: number } => {
  const factor: Matrix = matrix.map((row) => new Float64Array(row.length))
  let logDeterminant = 0
  matrix.forEach((row, k) => {
    // Rounding may push the pivot of a near-duplicate point below zero.
    const pivot = Math.sqrt(Math.max(row[k]!, 1e-10))
    logDeterminant += 2 * Math.log(pivot)
    for (let j = k; j < row.length; j++) factor[j]![k] = row[j]! /= pivot
    for (let i = k + 1; i < row.length; i++) addScaled(matrix[i]!, row, -row[i]!, i)
  })
  return { factor, logDeterminant }
}

const invertLower = (lower: Matrix): Matrix => {
  const inverse: Matrix = lower.map((row) => new Float64Array(row.length))
  lower.forEach((row, i) => {
    const result = inverse[i]!
    result[i] = 1
    for (let k = 0; k < i; k++) addScaled(result, inverse[k]!, -row[k]!, 0, k + 1)
    for (let j = 0; j <= i; j++) result[j]! /= row[i]!
  })
  return inverse
}

/** The lower half of lowerᵀ · lower, mirrored. */
const timesItsTranspose = (lower: Matrix): Matrix => {
  const product: Matrix = lower.map((row) => new Float64Array(row.length))
  lower.forEach((row, k) => {
    for (let i = 0; i <= k; i++) addScaled(product[i]!, row, row[i]!, i, k + 1)
  })
  return product
}

const dot = (a: Float64Array, b: Float64Array, from = 0): number => {
  let sum = 0
  for (let i = from; i < a.length; i++) sum += a[i]! * b[i]!
  return sum
}

/** Where all the time goes: along rows, since that is what a JavaScript engine runs fastest. */
const addScaled = (to: Float64Array, values: Float64Array, scale: number, from = 0, end = to.length): void => {
  for (let i = from; i < end; i++) to[i]! += scale * values[i]!
}
