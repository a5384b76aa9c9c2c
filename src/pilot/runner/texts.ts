import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Arguments, Run, Task, Text } from '../../contract/runner.ts'
import { decodeValue } from '../../contract/values.ts'

/** As in `contract/base.ts`, which would bring all schemas with it. */
const maxInlineBytes = 1_000_000

/** Those of the task come first; named ones are merged, and go as one last object, since JavaScript has no others. */
export const argumentsOf = ({ common }: Task, { args }: Run): unknown[] => {
  const [shared, own] = [common, args].map((text) => (text ? ((decodeValue(textOf(text)) ?? {}) as Arguments) : {}))
  const named = { ...shared!.k, ...own!.k }
  return [...(shared!.a ?? []), ...(own!.a ?? []), ...(Object.keys(named).length > 0 ? [named] : [])]
}

const textOf = (text: Text): string => ('text' in text ? text.text : readFileSync(text.file, 'utf8'))

/** A result that is too long to be sent along with other words goes as a file in the folder of its job. */
export const kept = (text: string, folder: string): Text => {
  if (text.length <= maxInlineBytes / 3 || Buffer.byteLength(text) <= maxInlineBytes) return { text }
  const file = join(folder, '.culm.result.json')
  writeFileSync(file, text)
  return { file }
}
