/**
 * Bayesian optimisation against random search on the example's own training: 10 batches of 20 points each, over paired
 * seeds. Regret is how far a search's best loss is from the best of all runs; random search draws from the same space.
 * Without a server: what is measured is the optimiser, not the engine. Run: npm run bench -- hpo [--seeds=20]
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { bestSoFar } from '../examples/hpo/draw.ts'
import { makeOptimiser, randomPoint } from '../examples/hpo/optimiser.ts'
import { makeRandom } from '../examples/hpo/random.ts'
import { type Params, space, trainOnce } from '../examples/hpo/train.ts'
import type { BenchResult } from './support.ts'

const batches = 10
const batchSize = 20
const checkpoints = [40, 100, 200]
const resamples = 10_000

type Method = 'bayes' | 'random'
type Search = { method: Method; seed: number }
/** What one search did; times in seconds. */
type Outcome = Search & {
  losses: number[]
  best: { point: Params; loss: number }
  meanTraining: number
  longestTraining: number
  longestAsk: number
}
type Comparison = {
  evaluations: number
  randomRegret: number
  bayesRegret: number
  difference: number
  /** 95 % bootstrap interval of the mean paired difference, random − bayes. */
  interval: [number, number]
  excludesZero: boolean
}

/** `seeds` (20 when left out) is how many pairs of searches there are. */
export const run = async (options: { seeds?: string | boolean } = {}): Promise<BenchResult> => {
  const seeds = Number(options.seeds ?? 20)
  const startedAt = performance.now()
  const searches = Array.from({ length: seeds }, (_, i) => i + 1).flatMap((seed) => [
    { method: 'bayes' as const, seed },
    { method: 'random' as const, seed },
  ])
  const outcomes = await inProcesses(searches)
  const best = outcomes.map((outcome) => outcome.best).reduce((a, b) => (a.loss <= b.loss ? a : b))
  const comparisons = checkpoints.map((evaluations) => compare(outcomes, evaluations, best.loss))
  const longestTrainingSeconds = Math.max(...outcomes.map(({ longestTraining }) => longestTraining))
  const longestAskSeconds = Math.max(...outcomes.map(({ longestAsk }) => longestAsk))
  const seconds = (performance.now() - startedAt) / 1000
  return {
    title: 'Bayesian optimisation against random search',
    columns: ['evaluations', 'regret, random', 'regret, bayes', 'difference', '95 % interval', 'excludes 0'],
    rows: comparisons.map(({ evaluations, randomRegret, bayesRegret, difference, interval, excludesZero }) => [
      String(evaluations),
      randomRegret.toFixed(5),
      bayesRegret.toFixed(5),
      difference.toFixed(5),
      interval.map((end) => end.toFixed(5)).join(' … '),
      excludesZero ? 'yes' : 'no',
    ]),
    json: {
      seeds,
      best,
      comparisons,
      longestTrainingSeconds,
      longestAskSeconds,
      seconds,
      searches: outcomes.map(({ method, seed, losses, meanTraining }) => ({
        method,
        seed,
        meanTraining,
        bestLosses: checkpoints.map((evaluations) => bestSoFar(losses)[evaluations - 1]!),
      })),
    },
    notes: [
      `Mean regret of the log-loss over ${seeds} paired seeds, against the best point of all runs (${best.loss.toFixed(5)}); interval by bootstrap.`,
      `Longest training ${longestTrainingSeconds.toFixed(2)} s, longest ask ${longestAskSeconds.toFixed(2)} s, the whole ${seconds.toFixed(0)} s.`,
    ],
  }
}

const compare = (outcomes: Outcome[], evaluations: number, bestLoss: number): Comparison => {
  const regrets = (method: Method) =>
    outcomes
      .filter((outcome) => outcome.method === method)
      .map(({ losses }) => bestSoFar(losses)[evaluations - 1]! - bestLoss)
  const random = regrets('random')
  const bayes = regrets('bayes')
  const differences = random.map((regret, i) => regret - bayes[i]!)
  const interval = bootstrapInterval(differences)
  return {
    evaluations,
    randomRegret: meanOf(random),
    bayesRegret: meanOf(bayes),
    difference: meanOf(differences),
    interval,
    excludesZero: interval[0] > 0 || interval[1] < 0,
  }
}

/** Percentile bootstrap of the mean. */
const bootstrapInterval = (values: number[]): [number, number] => {
  const random = makeRandom(95)
  const means = Array.from({ length: resamples }, () =>
    meanOf(values.map(() => values[Math.floor(random() * values.length)]!)),
  ).sort((a, b) => a - b)
  return [means[Math.floor(0.025 * resamples)]!, means[Math.ceil(0.975 * resamples) - 1]!]
}

const meanOf = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length

const search = ({ method, seed }: Search): Outcome => {
  const optimiser = makeOptimiser({ space, seed })
  const random = makeRandom(seed)
  const losses: number[] = []
  const trainings: number[] = []
  const asks: number[] = []
  for (let batch = 0; batch < batches; batch++) {
    const askedAt = performance.now()
    const points =
      method === 'bayes'
        ? optimiser.ask(batchSize)
        : Array.from({ length: batchSize }, () => randomPoint(space, random))
    asks.push((performance.now() - askedAt) / 1000)
    const scores = points.map(trainOnce)
    optimiser.tell(
      points,
      scores.map(({ loss }) => loss),
    )
    losses.push(...scores.map(({ loss }) => loss))
    trainings.push(...scores.map(({ seconds }) => seconds))
  }
  return {
    method,
    seed,
    losses,
    best: optimiser.best!,
    meanTraining: meanOf(trainings),
    longestTraining: Math.max(...trainings),
    longestAsk: Math.max(...asks),
  }
}

/** As many processes as the machine has cores (tsx loads no threads on Node 20), each given the next search when it is done. */
const inProcesses = async (searches: Search[]): Promise<Outcome[]> => {
  const waiting = [...searches]
  const outcomes: Outcome[] = []
  const drain = async () => {
    const child = fork(fileURLToPath(import.meta.url), [searcherFlag])
    const died = once(child, 'exit').then(([code]) =>
      Promise.reject(new Error(`a search ended with exit code ${code}`)),
    )
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const answer = once(child, 'message')
      child.send(next)
      const [outcome] = (await Promise.race([answer, died])) as [Outcome]
      outcomes.push(outcome)
      const loss = outcome.best.loss.toFixed(5)
      process.stderr.write(`${outcomes.length}/${searches.length}  seed ${next.seed}  ${next.method}  ${loss}\n`)
    }
    died.catch(() => {})
    child.disconnect()
  }
  await Promise.all(Array.from({ length: Math.min(availableParallelism(), searches.length) }, drain))
  return outcomes.sort((a, b) => a.seed - b.seed)
}

const searcherFlag = '--searcher'

if (process.argv[2] === searcherFlag) process.on('message', (given: Search) => process.send!(search(given)))
