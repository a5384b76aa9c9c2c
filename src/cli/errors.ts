import { CommanderError } from 'commander'
import { type FaultCode, fault, faults, type Problem, problemOf } from '../contract/faults.ts'
import { Fault } from '../lib/fault.ts'
import type { Cli } from './cli.ts'

/** What the process ends with; 0 is success. */
export const exitCodes = { failed: 1, usage: 2, noServer: 3, interrupted: 130 } as const

/** The command cannot be carried out as it was written. */
export class UsageError extends Error {
  readonly help: string

  constructor(message: string, help: string) {
    super(message)
    this.name = 'UsageError'
    this.help = help
  }
}

/** Tells what went wrong, for people in two lines or as a problem document, and gives the exit code that says it to programs. */
export const reportError = (cli: Cli, error: unknown, verb = ''): number => {
  const { world } = cli
  const told = toldOf(error, verb)
  if (cli.json) world.stderr.write(`${JSON.stringify(told.problem)}\n`)
  else world.stderr.write(`${linesOf(cli, told).join('\n')}\n`)
  return told.exitCode
}

type Told = { problem: Partial<Problem> & { detail: string }; stack?: string; exitCode: number }

const toldOf = (error: unknown, verb: string): Told => {
  const known = asFault(error)
  if (known) return { problem: problemIn(known), exitCode: codeOf(known.code) }
  const usage = asUsage(error, verb)
  if (usage)
    return {
      problem: { ...problemOf(fault('invalid_input', usage.message)), help: usage.help },
      exitCode: exitCodes.usage,
    }
  const { message, stack } = error instanceof Error ? error : { message: String(error), stack: undefined }
  return { problem: { ...problemOf(error), detail: message }, stack, exitCode: exitCodes.failed }
}

const linesOf = (cli: Cli, { problem, stack }: Told): string[] => {
  const { colors } = cli.style(cli.world.stderr)
  const fields =
    Array.isArray(problem.errors) && problem.errors.length > 1
      ? (problem.errors as { field: string; problem: string }[])
      : []
  return [
    `${colors.red('error:')} ${problem.detail}`,
    ...fields.map(({ field, problem }) => `  ${field}: ${problem}`),
    ...(problem.help ? [`${colors.dim('help:')} ${problem.help}`] : []),
    ...(stack ? [colors.dim(stack)] : []),
  ]
}

/** A program that `culm run` loads has its own copy of the SDK, whose faults are of another class. */
export const asFault = (error: unknown): Fault | undefined => {
  if (error instanceof Fault) return error
  if (!(error instanceof Error) || error.name !== 'Fault') return undefined
  const { code, data } = error as { code?: unknown; data?: Record<string, unknown> }
  return typeof code === 'string' ? new Fault(code, error.message, { data, cause: error.cause }) : undefined
}

/** Unlike a server, a command hides nothing from its user, and a newer server may know codes that are not in our list. */
const problemIn = ({ code, message, data }: Fault): Told['problem'] => {
  const { title, status, help } = (faults as Partial<Record<string, (typeof faults)[FaultCode]>>)[code] ?? {}
  return { ...data, type: `urn:culm:fault:${code}`, title, status, code: code as FaultCode, detail: message, help }
}

const codeOf = (code: string): number => {
  if (code === 'invalid_id' || code === 'invalid_input') return exitCodes.usage
  return code === 'server_unknown' || code === 'server_away' ? exitCodes.noServer : exitCodes.failed
}

const asUsage = (error: unknown, verb: string): { message: string; help: string } | undefined => {
  if (error instanceof UsageError) return error
  if (!(error instanceof CommanderError)) return undefined
  return { message: error.message.replace(/^error: /, '').replace('\n', ' '), help: `culm ${verb}${verb && ' '}--help` }
}
