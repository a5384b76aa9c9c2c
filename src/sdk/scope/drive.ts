import { basename } from 'node:path'
import { isAway } from '../../contract/client.ts'
import { fault } from '../../contract/faults.ts'
import { decodeValue, encodeValue } from '../../contract/values.ts'
import { sha256 } from '../../lib/digest.ts'
import { isFault } from '../../lib/fault.ts'
import { placeOf } from '../bundle/address.ts'
import { driveIn } from '../context.ts'
import type { Definition } from '../definition.ts'
import { environmentOf, folderOf } from '../environment.ts'
import { hashOfFile } from './hashOfFile.ts'
import { makeOrdinals } from './keys.ts'
import { type Driver, openDriver, openedSession } from './openScopes.ts'
import type { Scope } from './scope.ts'

/**
 * Runs a workflow function as its driver, and gives its value. What an earlier start of this program had brought to an
 * end is not run again. `outer` is the workflow function that called it: there its end is one of the things that the
 * program is told.
 */
export const drive = async (
  definition: Definition,
  args: readonly unknown[],
  run: () => Promise<unknown>,
  { outer, replaySeconds }: { outer: Scope | undefined; replaySeconds: number | undefined },
): Promise<unknown> => {
  const { options, fn } = definition
  const place = await placeOf(definition)
  const named = place?.export ?? (fn.name || 'workflow')
  const driver = await openDriver({
    kind: 'function',
    name: options.name ?? named,
    key: ordinal(`${place?.name ?? basename(definition.site.module)}#${named}`),
    code: await codeOf(place),
    arguments: argumentsHash(args),
    environment: await environmentOf(options, folderOf(place?.file)),
    replaySeconds,
  })
  try {
    return driver.value === undefined ? await runToEnd(driver, run) : decodeValue(driver.value)
  } finally {
    await (outer ?? openedSession())?.teller.tellEnd(driver.workflowId)
  }
}

/** Counts equal functions in the order in which the program calls them. */
const ordinal = makeOrdinals()

export const codeOf = async (place: { file?: string } | undefined): Promise<string | undefined> =>
  place?.file === undefined ? undefined : hashOfFile(place.file)

/** Undefined when they cannot be told apart from others. */
export const argumentsHash = (args: readonly unknown[]): string | undefined => {
  try {
    return sha256(encodeValue(args))
  } catch {
    return undefined
  }
}

const runToEnd = async ({ scope, end, leave }: Driver, run: () => Promise<unknown>): Promise<unknown> => {
  let value: unknown
  try {
    value = await driveIn(scope, run)
  } catch (error) {
    const { divergence } = scope
    // Nothing is lost: when the server is back, or with the right program, it can be continued.
    if (divergence || (isFault(error) && isAway(error))) leave(divergence ?? error)
    // The error of the function is what the caller wants to see, even if the server cannot be told.
    else await end({ error }).catch(() => {})
    throw !divergence || isFault(error) ? error : fault('journal_diverged', divergence.message, divergence.data, error)
  }
  const { divergence } = scope
  if (divergence) {
    leave(divergence)
    throw divergence
  }
  await end({ value })
  return value
}
