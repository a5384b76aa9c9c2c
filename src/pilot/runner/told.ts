import type { Told } from '../../contract/runner.ts'
import { sentNumber } from '../../contract/sentNumber.ts'
import type { Progress } from '../../contract/told.ts'

/** So long what a job says is gathered, ms; what comes after a silence goes at once. */
const gatherMs = 100

/** So many numbers go in one word. */
const mostNumbers = 1000

export type ToldWords = ReturnType<typeof gatherTold>

/** What a job says of itself, in a few words for many: of equal steps that follow each other one, and of progress the last. */
export const gatherTold = (of: Pick<Told, 'jobId' | 'attempt'>, send: (told: Told) => void) => {
  let metrics: NonNullable<Told['metrics']> = []
  let numbers = 0
  let progress: Progress | undefined
  let sentMs = Number.NEGATIVE_INFINITY
  let timer: NodeJS.Timeout | undefined
  let isOver = false

  const flush = () => {
    clearTimeout(timer)
    timer = undefined
    if (metrics.length === 0 && !progress) return
    sentMs = performance.now()
    send({ t: 'told', ...of, ...(metrics.length > 0 ? { metrics } : {}), ...(progress ? { progress } : {}) })
    metrics = []
    numbers = 0
    progress = undefined
  }

  const said = () => {
    const sinceMs = performance.now() - sentMs
    if (sinceMs >= gatherMs || numbers >= mostNumbers) flush()
    else timer ??= setTimeout(flush, gatherMs - sinceMs)
  }

  return {
    metrics: (step: number, values: Readonly<Record<string, number>>): void => {
      if (isOver) return
      const last = metrics.at(-1)
      const same = last?.step === step ? last : { step, values: {} }
      if (same !== last) metrics.push(same)
      for (const [name, value] of Object.entries(values)) {
        same.values[name] = sentNumber(value)
        numbers++
      }
      said()
    },
    progress: (now: Progress): void => {
      if (isOver) return
      progress = now
      said()
    },
    /** What is left goes; what a job says after its end is nobody's. */
    end: (): void => {
      isOver = true
      flush()
    },
  }
}
