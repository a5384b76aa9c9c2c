import { basename } from 'node:path'
import { fault } from '../contract/faults.ts'
import { decodeValue, encodeValue } from '../contract/values.ts'
import { captureCallSite } from './bundle/callSite.ts'
import { currentScope } from './context.ts'
import type { AnyFunction } from './definition.ts'

/**
 * What a program takes from outside, by way of the journal: a program that is started again gets the same. Each belongs
 * to where it is used: a workflow function, a job, or the session of the process.
 */

/**
 * Runs a function here, once: whoever starts the program again gets its value, or its error, without running it. For
 * what no argument says: the content of a folder, an answer of another service, a question to a person.
 *
 * The value is what travels, as arguments and values of works do, and has at most 1 MB.
 */
export const once = async <T>(fn: () => T | PromiseLike<T>): Promise<T> => {
  const name = `once ${placeOf(fn)}`
  const scope = await currentScope()
  let own: { error: unknown } | undefined
  const text = await scope.record(name, async () => {
    try {
      return `{"value":${encodeValue(await fn())}}`
    } catch (error) {
      own = { error }
      const { name: type, message } = error instanceof Error ? error : { name: 'Error', message: String(error) }
      return JSON.stringify({ error: { type, message: message.toWellFormed().slice(0, 10_000) } })
    }
  })
  if (own) throw own.error
  const { value, error } = decodeValue(text) as { value: T; error?: { type: string; message: string } }
  if (error) throw Object.assign(new Error(error.message), { name: error.type })
  return value
}

/** The time. */
export const now = async (): Promise<Date> => {
  const scope = await currentScope()
  return decodeValue(await scope.record('now', () => encodeValue(new Date()))) as Date
}

/** A number in [0, 1). The draws come from one generator, whose seed is remembered: a draw costs no request. */
export const random = async (): Promise<number> => (await currentScope()).draws.number()

/** A UUID (version 4), from the same generator. */
export const uuid = async (): Promise<string> => (await currentScope()).draws.uuid()

/** Waits for so many seconds. Whoever starts the program again waits for what is left of them. */
export const sleep = async (seconds: number): Promise<void> => {
  if (!(seconds >= 0 && seconds <= longestSleepSeconds))
    throw fault('invalid_input', `sleep takes 0 to ${longestSleepSeconds} seconds, not ${seconds}`)
  await (await currentScope()).sleep(seconds)
}

/** A hundred years, s. */
const longestSleepSeconds = 3_155_760_000

/** The file and the function's own name, or its line when it has none. */
const placeOf = (fn: AnyFunction): string => {
  const [, path, line] = captureCallSite(once as AnyFunction)
    .place()
    .match(/^(.+):(\d+):\d+$/) ?? ['', '', '']
  return fn.name ? `${basename(path!)}#${fn.name}` : `${basename(path!)}:${line}`
}
