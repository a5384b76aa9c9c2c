import { readdirSync, readFileSync } from 'node:fs'
import { constants } from 'node:os'
import { messageOf } from '../lib/fault.ts'

/** A process as /proc/<pid>/stat has it. `cpuSeconds` includes its children that have ended and were waited for. */
export type Process = {
  pid: number
  parent: number
  group: number
  session: number
  cpuSeconds: number
  /** When it was started, in ticks since the machine was: with `pid` it names one process for ever. */
  startedTicks: number
}

/** Every process of this machine; empty where there is no /proc. Some 50 µs for each (measured), so not for a hot path. */
export const readProcesses = (): ProcessTable => new ProcessTable(pidsHere().flatMap(readProcess))

/** The same a few at a time, with what else the thread has to do in between. */
export const readProcessesGently = async (): Promise<ProcessTable> => {
  const processes: Process[] = []
  for (const [n, pid] of pidsHere().entries()) {
    processes.push(...readProcess(pid))
    if (n % 50 === 49) await breath()
  }
  return new ProcessTable(processes)
}

/** Lets the thread do what has become due. */
export const breath = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

export const readProcess = (pid: number): Process[] => {
  const text = readProc(pid, 'stat')
  return text === null ? [] : [parseStat(text)]
}

export const pidsHere = (): number[] => {
  try {
    return readdirSync('/proc')
      .map(Number)
      .filter((pid) => pid > 0)
  } catch {
    return []
  }
}

/** The clock of /proc ticks at 100 Hz on every Linux that Node runs on. */
const ticksPerSecond = 100

/** The program's name stands in parentheses and may hold spaces and parentheses itself: fields are counted from the last one. */
export const parseStat = (text: string): Process => {
  const fields = text
    .slice(text.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number)
  const [parent, group, session] = [fields[1]!, fields[2]!, fields[3]!]
  const ticks = fields[11]! + fields[12]! + fields[13]! + fields[14]!
  const startedTicks = fields[19]!
  return { pid: Number.parseInt(text, 10), parent, group, session, cpuSeconds: ticks / ticksPerSecond, startedTicks }
}

/** The processes of one moment, by what holds families together: to find one costs what it has members, however many others there are. */
export class ProcessTable {
  readonly #byKin = new Map<string, Process[]>()

  constructor(processes: Iterable<Process>) {
    for (const p of processes)
      for (const kin of new Set([`of ${p.pid}`, `of ${p.session}`, `of ${p.group}`, `from ${p.parent}`])) {
        const others = this.#byKin.get(kin)
        if (others) others.push(p)
        else this.#byKin.set(kin, [p])
      }
  }

  /**
   * All that descends from `leader`, which leads a session and a group of its own: who stayed in them, even when orphaned, and the descendants of
   * those who left (a shell's job control makes groups, a daemon makes a session).
   */
  familyOf(leader: number): Process[] {
    const family = new Set(this.#byKin.get(`of ${leader}`))
    for (const member of family) for (const child of this.#byKin.get(`from ${member.pid}`) ?? []) family.add(child)
    return [...family]
  }
}

/**
 * What is left of a family that was seen before, and whom its members have started since: costs what it has members. Who left it meanwhile and whose parent has
 * ended is only found among all processes.
 */
export const familySince = (known: readonly Process[]): Process[] => {
  const family = new Map<number, Process>()
  const visit = (pid: number, before?: Process) => {
    if (family.has(pid)) return
    const [now] = readProcess(pid)
    // Another process may have its number by now.
    if (!now || (before && now.startedTicks !== before.startedTicks)) return
    family.set(pid, now)
    for (const child of childrenOf(pid)) visit(child)
  }
  for (const process of known) visit(process.pid, process)
  return [...family.values()]
}

/** Those that the process has started, by any of its threads; none where the kernel does not tell. */
const childrenOf = (pid: number): number[] => {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
      (readProc(pid, `task/${thread}/children`) ?? '').split(' ').filter(Boolean).map(Number),
    )
  } catch {
    return []
  }
}

/** Resident memory in MB; 0 for who has just ended. */
export const rssMbOf = (pid: number): number => kilobytesIn(readProc(pid, 'status'), /^VmRSS:\s+(\d+) kB/m)

/** Its fair part of what it shares with others; for who may not be looked into, its resident memory. Dearer than `rssMbOf`: the kernel walks its pages. */
export const pssMbOf = (pid: number): number => {
  const text = readProc(pid, 'smaps_rollup')
  return text === null ? rssMbOf(pid) : kilobytesIn(text, /^Pss:\s+(\d+) kB/m)
}

const kilobytesIn = (text: string | null, line: RegExp): number => (Number(text?.match(line)?.[1] ?? 0) * 1024) / 1e6

export const readProc = (pid: number, file: string): string | null => {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1')
  } catch {
    return null // it has ended, or is not ours
  }
}

/** The number of a process that was written to a file; undefined as long as there is none. */
export const pidIn = (file: string): number | undefined => {
  try {
    const pid = Number.parseInt(readFileSync(file, 'utf8'), 10)
    return pid > 1 ? pid : undefined
  } catch {
    return undefined
  }
}

/**
 * Whether the first process of a container does not hear the signal: the system keeps from it all that it has said nothing about, also what would end any other.
 */
export const isDeafTo = (first: number, signal: NodeJS.Signals): boolean => {
  const status = readProc(first, 'status') ?? ''
  const bit = 1n << BigInt(constants.signals[signal] - 1)
  const masks = [...status.matchAll(/^Sig(?:Cgt|Ign):\s+([0-9a-f]+)$/gm)]
  return masks.every(([, mask]) => (BigInt(`0x${mask}`) & bit) === 0n)
}

/** Signals one process group. Who has gone already is no error. */
export const signalGroup = (leader: number, signal: NodeJS.Signals): void => {
  try {
    process.kill(-leader, signal)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'ESRCH' && code !== 'EPERM') throw new Error(`process group ${leader}: ${messageOf(error)}`)
  }
}

let doomed: number[] = []

/** Kills a whole family: its own group, and the groups of those who left it. All that is to be killed in one turn is looked for once. */
export const killFamily = (leader: number): void => {
  if (doomed.push(leader) === 1) setImmediate(killDoomed)
}

const killDoomed = (): void => {
  const leaders = doomed
  doomed = []
  const processes = readProcesses()
  const groups = new Set(leaders.flatMap((leader) => [leader, ...processes.familyOf(leader).map((p) => p.group)]))
  for (const group of groups) if (group > 1) signalGroup(group, 'SIGKILL')
}
