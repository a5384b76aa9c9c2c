import type { Value } from '../../contract/base.ts'
import type { Payload } from '../../contract/tasks.ts'
import { sha256 } from '../../lib/digest.ts'

/** What a result depends on, each as a digest: what was different is said part by part. */
export type Parts = { code: string; args: string; environment: string }

/** An earlier job of the same work. */
export type Earlier = Parts & { jobId: string }

const partNames = ['code', 'args', 'environment'] as const

const words: Record<(typeof partNames)[number], string> = {
  code: 'code',
  args: 'arguments',
  environment: 'environment',
}

/** What jobs of the same work have in common when their code, arguments and environment change: the function's address, or the program. */
export const workOf = (payload: Payload): string =>
  payload.kind === 'function'
    ? `${payload.language}:${payload.module}#${payload.export}`
    : `command:${payload.command[0]}`

/** The parts of each of a task's jobs, from what was submitted. */
export const partsOf = (payload: Payload, common: Value | null, args: readonly Value[]): Parts[] => {
  const code = sha256(codeOf(payload))
  const environment = sha256(environmentOf(payload))
  const shared = contentOf(common)
  return args.map((own) => ({ code, args: sha256(JSON.stringify([shared, contentOf(own)])), environment }))
}

/** Jobs with this in common have the same result. */
export const keyOf = ({ code, args, environment }: Parts): string => sha256(`${code} ${args} ${environment}`)

const codeOf = (payload: Payload): string =>
  JSON.stringify(
    payload.kind === 'function'
      ? [payload.bundle, payload.module, payload.export]
      : [payload.command, payload.folder ?? null],
  )

/** What work and workflow say of it, in whatever order. */
const environmentOf = (payload: Payload): string =>
  JSON.stringify([
    ...(payload.kind === 'function' ? [payload.language, payload.interpreter] : []),
    ...Object.entries(payload.environment ?? {}).sort(([a], [b]) => (a < b ? -1 : 1)),
  ])

/** A value by its content, wherever it lies. */
const contentOf = (value: Value | null): string | null =>
  value === null ? null : 'blob' in value ? value.blob : sha256(value.text)

/** Why no stored result fitted: what the nearest earlier job of the work had otherwise. */
export const whyNotReused = (own: Parts, earlier: readonly Earlier[]): string => {
  const nearest = earlier
    .map((job) => ({ jobId: job.jobId, others: partNames.filter((part) => job[part] !== own[part]) }))
    .sort((a, b) => a.others.length - b.others.length)[0]
  if (!nearest) return 'not reused: this work has no earlier result'
  if (nearest.others.length === 0) return `not reused: ${nearest.jobId} asked for the same and had no result then`
  return `not reused: other ${nearest.others.map((part) => words[part]).join(' and ')} than ${nearest.jobId}`
}
