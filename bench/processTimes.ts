import { readdirSync, readFileSync } from 'node:fs'

/** Clock ticks per second: 100 on every Linux that Node runs on. */
const ticksPerSecond = 100

/** `reaped`: what its children used that have ended. */
type Process = { pid: number; parent: number; seconds: number; reaped: number; command: string }

/** Processor seconds that each process has used so far, in user code and in the kernel, from /proc. */
const processes = (): Process[] =>
  readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return []
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'latin1')
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      const command = readFileSync(`/proc/${name}/cmdline`, 'latin1').replaceAll('\0', ' ')
      const seconds = (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
      const reaped = (Number(fields[13]) + Number(fields[14])) / ticksPerSecond
      return [{ pid: Number(name), parent: Number(fields[1]), seconds, reaped, command }]
    } catch {
      return [] // it has ended meanwhile
    }
  })

/** The part that a process plays, by its command line; the empty one for what is not ours. */
const roleOf = ({ command }: Process): string => {
  if (
    /postgres: .*walwriter|postgres: .*checkpointer|postgres: .*background writer|postgres: .*io worker/.test(command)
  )
    return 'postgres, background'
  if (/autovacuum/.test(command)) return 'postgres, vacuum'
  if (/postgres/.test(command)) return 'postgres'
  if (/runner\.js|culm\._runner/.test(command)) return 'runners'
  if (/culm\.js pilot/.test(command)) return 'pilot'
  if (/culm\.js (up|server|agents)/.test(command)) return 'server'
  if (/runNoop/.test(command)) return 'driver'
  return ''
}

/** Our processes: descendants of this one that play a part. Reads /proc, so Linux only. */
const ours = (root: number): (Process & { role: string })[] => {
  const all = processes()
  const parents = new Map(all.map(({ pid, parent }) => [pid, parent]))
  const isOurs = (pid: number): boolean => {
    for (let at: number | undefined = pid; at && at > 1; at = parents.get(at)) if (at === root) return true
    return false
  }
  return all.map((process) => ({ ...process, role: roleOf(process) })).filter(({ role, pid }) => role && isOurs(pid))
}

/** Processor seconds by part. PostgreSQL's processes come and go with its connections: those that have ended are known by their parent, and count too. */
export const secondsByRole = (root = process.pid): Map<string, number> => {
  const byRole = new Map<string, number>()
  for (const { role, seconds, reaped } of ours(root))
    byRole.set(role, (byRole.get(role) ?? 0) + seconds + (role === 'postgres' ? reaped : 0))
  return byRole
}

export const pidsByRole = (root = process.pid): Map<string, number[]> => {
  const byRole = new Map<string, number[]>()
  for (const { role, pid } of ours(root)) byRole.set(role, [...(byRole.get(role) ?? []), pid])
  return byRole
}

/** Memory that only this process has, MB, by part. */
export const megabytesByRole = (): Map<string, number> => {
  const byRole = new Map<string, number>()
  for (const [role, pids] of pidsByRole())
    for (const pid of pids)
      try {
        const [, kb] = /^Pss_Anon:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1')) ?? []
        byRole.set(role, (byRole.get(role) ?? 0) + Number(kb ?? 0) / 1000)
      } catch {
        // it has ended meanwhile
      }
  return byRole
}
