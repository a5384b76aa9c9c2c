import { describe, expect, it } from 'vitest'
import { loadNuclides } from './nuclides.ts'
import { type Params, trainOnce } from './train.ts'

const sensible: Params = {
  rounds: 60,
  learningRate: 0.15,
  maxDepth: 4,
  minChildWeight: 0.5,
  lambda: 1,
  gamma: 0.01,
  rowFraction: 0.8,
  columnFraction: 0.8,
}

describe('the nuclides', () => {
  it('are the table of isotopes, a few of which occur in nature', () => {
    const { labels, columns, columnNames } = loadNuclides()
    expect(labels.length).toBeGreaterThan(3000)
    expect(labels.reduce((sum, label) => sum + label, 0)).toBe(288)
    const protons = columns[columnNames.indexOf('protons')]!
    const neutrons = columns[columnNames.indexOf('neutrons')]!
    const iron56 = protons.findIndex((z, i) => z === 26 && neutrons[i] === 30)
    const of = (name: string) => columns[columnNames.indexOf(name)]![iron56]!
    expect(labels[iron56]).toBe(1)
    // Published values for iron-56: 8.790 MeV a nucleon; separation of a neutron 11.197 MeV, of a proton 10.184 MeV.
    expect(of('bindingPerNucleon')).toBeCloseTo(8.79, 2)
    expect(of('neutronSeparation')).toBeCloseTo(11.197, 2)
    expect(of('protonSeparation')).toBeCloseTo(10.184, 2)
  })
})

describe('a training', { timeout: 60_000 }, () => {
  it('tells natural nuclides from others far better than their share does', () => {
    const { labels } = loadNuclides()
    const share = labels.reduce((sum, label) => sum + label, 0) / labels.length
    const entropy = -share * Math.log(share) - (1 - share) * Math.log(1 - share)
    const { loss, auc } = trainOnce(sensible)
    expect(loss).toBeLessThan(entropy / 2.5)
    expect(auc).toBeGreaterThan(0.97)
  })

  it('gives the same loss for the same hyperparameters', () => {
    const { loss, auc } = trainOnce(sensible)
    expect(trainOnce({ ...sensible })).toMatchObject({ loss, auc })
  })

  it.each([
    ['it hardly learns', { learningRate: 0.01, rounds: 10 }],
    ['it overshoots', { learningRate: 1, lambda: 0.01, minChildWeight: 0.1, maxDepth: 6 }],
    ['its trees may not split', { gamma: 10, minChildWeight: 20 }],
  ])('is worse when %s', (_, change) => {
    expect(trainOnce({ ...sensible, ...change }).loss).toBeGreaterThan(1.5 * trainOnce(sensible).loss)
  })
})
