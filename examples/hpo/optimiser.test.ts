import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { makeOptimiser, randomPoint, type Space } from './optimiser.ts'
import { makeRandom } from './random.ts'

const mixed = {
  rate: { kind: 'real', low: 1e-4, high: 1, log: true },
  depth: { kind: 'integer', low: 1, high: 8 },
  trees: { kind: 'integer', low: 1, high: 1000, log: true },
  share: { kind: 'real', low: -1, high: 1 },
  loss: { kind: 'choice', values: ['hinge', 'logistic', 'square'] },
} as const satisfies Space

const smoothLoss = (point: { rate: number; depth: number; share: number; loss: string }) =>
  Math.log10(point.rate / 0.01) ** 2 +
  (point.depth - 3) ** 2 / 10 +
  point.share ** 2 +
  (point.loss === 'square' ? 0 : 1)

describe('an optimiser', { timeout: 60_000 }, () => {
  it('asks for distinct points inside the space, in the first batch and in later ones', () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 1, max: 25 }), (seed, count) => {
        const optimiser = makeOptimiser({ space: mixed, seed })
        const asked = []
        for (let batch = 0; batch < 3; batch++) {
          const points = optimiser.ask(count)
          expect(points).toHaveLength(count)
          asked.push(...points)
          optimiser.tell(points, points.map(smoothLoss))
        }
        expect(new Set(asked.map((point) => JSON.stringify(point))).size).toBe(asked.length)
        for (const point of asked) expectInside(point)
      }),
      { numRuns: 5 },
    )
  })

  it('asks the same after the same answers, even when it was made anew', () => {
    const first = makeOptimiser({ space: mixed, seed: 4 })
    const told = first.ask(20)
    first.tell(told, told.map(smoothLoss))
    const second = makeOptimiser({ space: mixed, seed: 4 })
    second.tell(JSON.parse(JSON.stringify(told)), told.map(smoothLoss))

    const asked = first.ask(20)

    expect(second.ask(20)).toEqual(asked)
    expect(makeOptimiser({ space: mixed, seed: 5 }).ask(20)).not.toEqual(told)
  })

  it('counts a failed training as a bad one, and never as the best', () => {
    const optimiser = makeOptimiser({ space: mixed, seed: 1 })
    expect(optimiser.best).toBeNull()
    const failing = (point: ReturnType<typeof optimiser.ask>[number]) =>
      point.share > 0
        ? [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, null, undefined][point.depth % 5]
        : smoothLoss(point)
    for (let batch = 0; batch < 3; batch++) {
      const points = optimiser.ask(20)
      optimiser.tell(points, points.map(failing))
    }

    const later = optimiser.ask(20)

    expect(optimiser.best!.loss).toBe(smoothLoss(optimiser.best!.point))
    expect(later.filter(({ share }) => share > 0.2).length).toBeLessThan(6)
  })

  it('goes on evenly when everything has failed', () => {
    const optimiser = makeOptimiser({ space: mixed, seed: 1 })
    const points = optimiser.ask(20)
    optimiser.tell(
      points,
      points.map(() => null),
    )
    expect(optimiser.ask(20)).toHaveLength(20)
    expect(optimiser.best).toBeNull()
  })

  it('spreads over what it knows nothing of, within a batch and around what was asked and not told yet', () => {
    const side = { kind: 'real', low: 0, high: 1 } as const
    const optimiser = makeOptimiser({ space: { x: side, y: side, z: side }, seed: 1 })
    const told = optimiser.ask(6)
    optimiser.tell(
      told,
      told.map(() => 1),
    )
    const points = [...told, ...optimiser.ask(8), ...optimiser.ask(8)]
    const gaps = points.flatMap((a, i) => points.slice(0, i).map((b) => Math.hypot(a.x - b.x, a.y - b.y, a.z - b.z)))
    expect(Math.min(...gaps)).toBeGreaterThan(0.15)
  })

  it('repeats points only when the space has no others', () => {
    const space = { a: { kind: 'choice', values: [1, 2] }, b: { kind: 'integer', low: 0, high: 1 } } as const
    const optimiser = makeOptimiser({ space, seed: 1 })
    const points = optimiser.ask(6)
    optimiser.tell(
      points,
      points.map(({ a, b }) => a + b),
    )
    expect(new Set(points.map((point) => JSON.stringify(point))).size).toBe(4)
    expect(optimiser.ask(3)).toHaveLength(3)
    expect(optimiser.best).toEqual({ point: { a: 1, b: 0 }, loss: 1 })
  })

  it.each([
    [{ x: { kind: 'real', low: 1, high: 1 } }, /space\.x: low \(1\) must be less than high/],
    [{ x: { kind: 'real', low: Number.NaN, high: 1 } }, /space\.x/],
    [{ x: { kind: 'integer', low: 0, high: 9, log: true } }, /space\.x: a logarithmic range must begin above 0/],
    [{ x: { kind: 'choice', values: [] } }, /space\.x: a choice needs at least one value/],
    [{}, /at least one dimension/],
  ] as [Space, RegExp][])('refuses the space %j', (space, why) => {
    expect(() => makeOptimiser({ space, seed: 1 })).toThrow(why)
  })

  it('refuses losses that do not match their points', () => {
    const optimiser = makeOptimiser({ space: mixed, seed: 1 })
    expect(() => optimiser.tell(optimiser.ask(2), [1])).toThrow('2 points, but 1 losses')
  })

  it.each([
    ['Branin', 2, branin, 0.397887, 0.02],
    ['Hartmann in six dimensions', 6, hartmann6, -3.32237, 0.6],
  ] as const)('comes closer than random search to the minimum of %s', (_, dimensions, f, minimum, near) => {
    const space: Space = Object.fromEntries(
      Array.from({ length: dimensions }, (_, i) => [`x${i}`, { kind: 'real', low: 0, high: 1 }]),
    )
    const seeds = [1, 2, 3]
    const bayes = seeds.map((seed) => {
      const optimiser = makeOptimiser({ space, seed })
      for (let batch = 0; batch < 5; batch++) {
        const points = optimiser.ask(12)
        optimiser.tell(
          points,
          points.map((point) => f(Object.values(point) as number[])),
        )
      }
      return optimiser.best!.loss - minimum
    })
    const random = seeds.map((seed) => {
      const draws = makeRandom(seed)
      return (
        Math.min(...Array.from({ length: 60 }, () => f(Object.values(randomPoint(space, draws)) as number[]))) - minimum
      )
    })
    expect(mean(bayes)).toBeLessThan(near)
    expect(mean(bayes)).toBeLessThan(mean(random) / 2)
  })
})

const expectInside = (point: Record<keyof typeof mixed, unknown>) => {
  for (const [name, dimension] of Object.entries(mixed)) {
    const value = point[name as keyof typeof mixed]
    if (dimension.kind === 'choice') expect(dimension.values).toContain(value)
    else {
      expect(value).toBeGreaterThanOrEqual(dimension.low)
      expect(value).toBeLessThanOrEqual(dimension.high)
      if (dimension.kind === 'integer') expect(value).toSatisfy(Number.isInteger)
    }
  }
}

const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length

function branin([u, v]: number[]): number {
  const [x, y] = [15 * u! - 5, 15 * v!]
  return (
    (y - (5.1 * x ** 2) / (4 * Math.PI ** 2) + (5 * x) / Math.PI - 6) ** 2 +
    10 * (1 - 1 / (8 * Math.PI)) * Math.cos(x) +
    10
  )
}

function hartmann6(x: number[]): number {
  const heights = [1, 1.2, 3, 3.2]
  const widths = [
    [10, 3, 17, 3.5, 1.7, 8],
    [0.05, 10, 17, 0.1, 8, 14],
    [3, 3.5, 1.7, 10, 17, 8],
    [17, 8, 0.05, 10, 0.1, 14],
  ]
  const centres = [
    [0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886],
    [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991],
    [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.665],
    [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381],
  ]
  return -heights.reduce(
    (sum, height, i) =>
      sum + height * Math.exp(-x.reduce((far, value, d) => far + widths[i]![d]! * (value - centres[i]![d]!) ** 2, 0)),
    0,
  )
}
