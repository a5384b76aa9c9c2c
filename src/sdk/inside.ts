import { currentRuntime } from './runtime.ts'

/**
 * What a work can say of itself while it runs as a job. Outside of one these check what they are given and do nothing,
 * so that the same function runs anywhere.
 */

/**
 * Tells metrics of the job: numbers by name at a step, which is what it counts by (an epoch, an iteration). People see
 * them as it goes along: `culm show j5 --metrics`. Said again, the last word for a step counts. `NaN` and infinities are
 * kept as such.
 */
export const report = (step: number, metrics: Readonly<Record<string, number>>): void => {
  if (typeof step !== 'number') throw new TypeError(`step is ${kindOf(step)}, and must be a whole number`)
  if (!Number.isSafeInteger(step) || step < 0 || step > maxStep)
    throw new RangeError(`step is ${step}, and must be a whole number from 0 to ${maxStep}`)
  if (typeof metrics !== 'object' || metrics === null)
    throw new TypeError(`metrics is ${kindOf(metrics)}, and must be an object of numbers: { loss: 0.2 }`)
  for (const [name, value] of Object.entries(metrics)) {
    if (typeof value !== 'number') throw new TypeError(`metrics.${name} is ${kindOf(value)}, and must be a number`)
    if (!metricName.test(name))
      throw new RangeError(`${JSON.stringify(name)} is no name of a metric: 1 to 200 characters, no control characters`)
  }
  currentRuntime()?.report?.(step, metrics)
}

/** How far the job is: `progress(3, { total: 10, text: 'fitting' })`. The last word counts, and is shown by `culm show`. */
export const progress = (done: number, { total, text }: { total?: number; text?: string } = {}): void => {
  checkAmount('done', done)
  if (total !== undefined) checkAmount('total', total)
  if (text !== undefined && typeof text !== 'string') throw new TypeError(`text is ${kindOf(text)}, and must be text`)
  const shown = text?.replaceAll('\0', '\u2400').slice(0, maxText).toWellFormed()
  currentRuntime()?.progress?.({
    done,
    ...(total === undefined ? {} : { total }),
    ...(shown === undefined ? {} : { text: shown }),
  })
}

/**
 * How long this attempt of the job may still run until its limit (`wallSeconds`), s; undefined without one and outside
 * of a job. While the job awaits calls of its own the clock stands still.
 */
export const remainingSeconds = (): number | undefined => currentRuntime()?.remainingSeconds?.()

/** As in `contract/told.ts` and `contract/base.ts`, whose schemas the SDK does without. */
const [maxStep, maxText, metricName] = [999_999_999_999_999, 1000, /^[^\u0000-\u001f\u007f]{1,200}$/]

const checkAmount = (name: string, amount: unknown): void => {
  if (typeof amount !== 'number') throw new TypeError(`${name} is ${kindOf(amount)}, and must be a number`)
  if (!Number.isFinite(amount) || amount < 0) throw new RangeError(`${name} is ${amount}, and must be 0 or more`)
}

const kindOf = (value: unknown): string => {
  if (value === null || value === undefined) return String(value)
  if (typeof value === 'object') return `of type ${value.constructor?.name ?? 'object'}`
  return `of type ${typeof value}`
}
