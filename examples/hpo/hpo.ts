/**
 * Hyperparameter optimisation of gradient-boosted trees: each iteration is one task of as many jobs as there are points;
 * the optimiser is asked and told here, in the workflow function.
 */
import { work, workflow } from 'culm'
import { makeDisplay } from './draw.ts'
import { makeOptimiser } from './optimiser.ts'
import { type Params, space, trainOnce } from './train.ts'

export const evaluate = work((params: Params) => trainOnce(params), { name: 'evaluate' })

export type Options = {
  /** Tasks, one after the other; 10 when left out. */
  iterations?: number
  /** Jobs in each; 20 when left out. */
  points?: number
  /** The same seed tries the same points. */
  seed?: number
}

export const optimise = workflow(
  async ({ iterations = 10, points: pointsEach = 20, seed = 1 }: Options = {}) => {
    const optimiser = makeOptimiser({ space, seed })
    const show = makeDisplay(process.stdout)
    const losses: number[] = []
    for (let iteration = 0; iteration < iterations; iteration++) {
      const points = optimiser.ask(pointsEach)
      const scores = await evaluate.map(points)
      optimiser.tell(
        points,
        scores.map(({ loss }) => loss),
      )
      losses.push(...scores.map(({ loss }) => loss))
      show(losses)
    }
    return optimiser.best
  },
  { name: 'optimise' },
)
