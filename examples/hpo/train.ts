/** What one job does: train a classifier with the given hyperparameters, and say how well it tells held-out nuclides apart. */
import { type BoostingParams, binTable, fitBoostedTrees, predictRow } from './boostedTrees.ts'
import { loadNuclides } from './nuclides.ts'
import type { Space } from './optimiser.ts'
import { makeRandom } from './random.ts'

export type Params = BoostingParams

export type Score = {
  /** Mean log-loss over all nuclides, each told by the model that did not train on it; in nats, 0 is perfect. */
  loss: number
  /** Area under the ROC curve of the same predictions: 0.5 is chance, 1 is perfect. */
  auc: number
  /** Wall time of the training. */
  seconds: number
}

/** Ranges as wide as one would give them without knowing the data. */
export const space = {
  rounds: { kind: 'integer', low: 10, high: 100, log: true },
  learningRate: { kind: 'real', low: 0.01, high: 1, log: true },
  maxDepth: { kind: 'integer', low: 1, high: 6 },
  minChildWeight: { kind: 'real', low: 0.1, high: 20, log: true },
  lambda: { kind: 'real', low: 0.01, high: 100, log: true },
  gamma: { kind: 'real', low: 0.001, high: 10, log: true },
  rowFraction: { kind: 'real', low: 0.3, high: 1 },
  columnFraction: { kind: 'real', low: 0.2, high: 1 },
} as const satisfies Space

const folds = 2
const { columns, labels } = loadNuclides()
const table = binTable(columns)
const foldOfRow = dealIntoFolds(labels.length)

/** Cross-validates over two halves. The halves and the trees' own draws are fixed: equal params, equal loss. */
export const trainOnce = (params: Params): Score => {
  const startedAt = performance.now()
  const probabilities = new Float64Array(labels.length)
  for (let fold = 0; fold < folds; fold++) {
    const trainRows = rowsWhere((row) => foldOfRow[row] !== fold)
    const model = fitBoostedTrees(table, labels, trainRows, params, makeRandom(fold))
    for (const row of rowsWhere((row) => foldOfRow[row] === fold)) probabilities[row] = predictRow(model, table, row)
  }
  return {
    loss: logLoss(probabilities),
    auc: areaUnderCurve(probabilities),
    seconds: (performance.now() - startedAt) / 1000,
  }
}

function dealIntoFolds(rows: number): Uint8Array {
  const random = makeRandom(20)
  return Uint8Array.from({ length: rows }, () => Math.floor(random() * folds))
}

const rowsWhere = (wanted: (row: number) => boolean): Int32Array =>
  Int32Array.from(labels.keys()).filter((row) => wanted(row))

const logLoss = (probabilities: Float64Array): number => {
  let sum = 0
  for (const [row, probability] of probabilities.entries()) {
    const ofTruth = labels[row] === 1 ? probability : 1 - probability
    sum -= Math.log(Math.max(ofTruth, 1e-15))
  }
  return sum / probabilities.length
}

/** The share of (positive, negative) pairs in the right order; ties count half. */
const areaUnderCurve = (probabilities: Float64Array): number => {
  const order = [...labels.keys()].sort((a, b) => probabilities[a]! - probabilities[b]!)
  let pairsInOrder = 0
  let negativesBelow = 0
  for (let start = 0; start < order.length; ) {
    let end = start
    let positives = 0
    while (end < order.length && probabilities[order[end]!] === probabilities[order[start]!]) {
      positives += labels[order[end]!]!
      end++
    }
    const negatives = end - start - positives
    pairsInOrder += positives * (negativesBelow + negatives / 2)
    negativesBelow += negatives
    start = end
  }
  return pairsInOrder / ((order.length - negativesBelow) * negativesBelow)
}
