import { folderMark } from './environment.ts'
import { parseStat, pidsHere, readProc, signalGroup } from './processTable.ts'

/**
 * Ends what an earlier self of this pilot left when it was killed: payloads that still run, and folders of jobs. The server has given those jobs to
 * others, or will when this pilot registers. A payload is known by the folder's name in its environment, which no reuse of a process id can imitate.
 */
export const clearLeftovers = async (folder: string): Promise<number> => {
  const groups = new Set(pidsHere().flatMap((pid) => (bearsMark(pid, folder) ? [groupOf(pid)] : [])))
  groups.delete(groupOf(process.pid))
  for (const group of groups) if (group > 1) signalGroup(group, 'SIGKILL')
  return groups.size
}

const bearsMark = (pid: number, folder: string): boolean =>
  pid !== process.pid &&
  (readProc(pid, 'environ')
    ?.split('\0')
    .includes(latin1(`${folderMark}=${folder}`)) ??
    false)

/** `readProc` reads bytes as Latin-1; so must be what they are compared with. */
const latin1 = (text: string): string => Buffer.from(text).toString('latin1')

const groupOf = (pid: number): number => {
  const text = readProc(pid, 'stat')
  return text === null ? 0 : parseStat(text).group
}
