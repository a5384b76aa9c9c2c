import { describe, expect, it } from 'vitest'
import { fitGaussianProcess, predict } from './gaussianProcess.ts'
import { makeRandom } from './random.ts'

const random = makeRandom(1)
const inputs = Array.from({ length: 60 }, () => Float64Array.from({ length: 3 }, random))
const outputs = inputs.map(([x, y]) => 5 + Math.sin(6 * x!) + y! ** 2)

describe('a Gaussian process', () => {
  it('predicts a smooth function where it was not seen, with errors of the size it expects', () => {
    const unseen = Array.from({ length: 200 }, () => Float64Array.from({ length: 3 }, random))
    const { means, variances } = predict(fitGaussianProcess(inputs, outputs), unseen)
    const errors = unseen.map(([x, y], i) => means[i]! - (5 + Math.sin(6 * x!) + y! ** 2))
    expect(Math.max(...errors.map(Math.abs))).toBeLessThan(0.1)
    const within = errors.filter((error, i) => Math.abs(error) < 3 * Math.sqrt(variances[i]!)).length
    expect(within / unseen.length).toBeGreaterThan(0.9)
  })

  it('finds out which coordinates matter', () => {
    const [first, second, third] = fitGaussianProcess(inputs, outputs).kernel.lengthScales
    expect(first!).toBeLessThan(second!)
    expect(third!).toBeGreaterThan(5 * second!)
  })

  it('is surer near a candidate it believes in, as sure elsewhere, and of the same mean', () => {
    const predictions = predict(fitGaussianProcess(inputs.slice(0, 8), outputs.slice(0, 8)), [
      Float64Array.of(0.5, 0.5, 0.5),
      Float64Array.of(0.52, 0.5, 0.5),
      Float64Array.of(0, 1, 0),
    ])
    const means = predictions.means.slice()
    const [at, near, far] = predictions.variances
    predictions.believe(0)
    expect(predictions.means).toEqual(means)
    expect(predictions.variances[0]!).toBeLessThan(0.1 * at!)
    expect(predictions.variances[1]!).toBeLessThan(0.3 * near!)
    expect(predictions.variances[2]!).toBeGreaterThan(0.5 * far!)
  })

  it('ends with the same variances in whatever order it comes to believe', () => {
    const process = fitGaussianProcess(inputs.slice(0, 20), outputs.slice(0, 20))
    const candidates = [Float64Array.of(0.1, 0.9, 0.5), Float64Array.of(0.3, 0.8, 0.4), Float64Array.of(0.2, 0.7, 0.5)]
    const [forth, back] = [predict(process, candidates), predict(process, candidates)]
    for (const candidate of [0, 1]) forth.believe(candidate)
    for (const candidate of [1, 0]) back.believe(candidate)
    expect(forth.variances[2]!).toBeLessThan(predict(process, candidates).variances[2]!)
    expect(forth.variances[2]!).toBeCloseTo(back.variances[2]!, 10)
  })

  it('bears points that coincide and outputs that are all equal', () => {
    const same = [Float64Array.of(0.5), Float64Array.of(0.5), Float64Array.of(0.1)]
    const { means, variances } = predict(fitGaussianProcess(same, [2, 2, 2]), [Float64Array.of(0.3)])
    expect(means[0]).toBeCloseTo(2)
    expect(variances[0]!).toSatisfy(Number.isFinite)
  })
})
