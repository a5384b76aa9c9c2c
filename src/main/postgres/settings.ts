import { statfs, writeFile } from 'node:fs/promises'
import { totalmem } from 'node:os'
import { join } from 'node:path'
import type { Place } from './place.ts'
import { giveTo, type RunAs } from './runAs.ts'

/** The file of our settings, which the cluster's postgresql.conf includes as its last line. */
export const settingsFile = 'culm.conf'

/**
 * Written at each start, since memory and disk change. `alter system set …` still wins, so that an operator can have
 * his way.
 */
export const writeSettings = async ({
  place,
  runAs,
  durable,
}: {
  place: Place
  runAs: RunAs
  durable: boolean
}): Promise<void> => {
  const disk = await statfs(place.dataDir)
  const settings = settingsFor({
    memoryMb: Math.floor(Math.min(totalmem(), process.constrainedMemory() || Infinity) / 2 ** 20),
    freeDiskMb: Math.floor((disk.bavail * disk.bsize) / 2 ** 20),
    logDir: place.logDir,
    durable,
  })
  const path = join(place.dataDir, settingsFile)
  await writeFile(path, confText(settings), { mode: 0o600 })
  await giveTo(runAs, path)
}

export type SettingsInput = { memoryMb: number; freeDiskMb: number; logDir: string; durable: boolean }

/**
 * What differs from PostgreSQL's defaults, and why. Figures: 40–57k job cycles/s were measured with these on two cores.
 */
export const settingsFor = ({ memoryMb, freeDiskMb, logDir, durable }: SettingsInput): Record<string, string> => ({
  max_connections: '100',
  // An eighth leaves the machine to the user's own jobs; above 1 GB the job tables' hot part gains nothing.
  shared_buffers: `${clamp(memoryMb / 8, 32, durable ? 1024 : 128)}MB`,
  // A checkpoint makes every page be written whole once more, so few of them; they happen every 5 minutes at the latest
  // anyhow.
  max_wal_size: `${clamp(freeDiskMb / 8, 128, 8192)}MB`,
  // Those whole pages are most of the log, and compress well. pglz: the package has no lz4.
  wal_compression: 'pglz',
  // Queues are tables that empty and fill: dead rows must go within seconds, or each claim walks over them.
  autovacuum_naptime: '5s',
  autovacuum_vacuum_cost_delay: '0',
  // A client killed in the middle of a long query must not hold its locks until the query's end.
  client_connection_check_interval: '5s',
  // Short statements only: compiling them costs more than it saves.
  jit: 'off',
  timezone: 'UTC',
  // The collector goes on when our process is gone, and keeps one file for each day of the week.
  logging_collector: 'on',
  log_directory: logDir,
  log_filename: 'postgres-%a.log',
  log_truncate_on_rotation: 'on',
  log_rotation_age: '1d',
  log_rotation_size: '0',
  log_line_prefix: '%m [%p] ',
  log_lock_waits: 'on',
  // The defaults, written down because the product promises them: what was acknowledged survives a loss of power.
  synchronous_commit: 'on',
  // Without these two it survives the death of any process still, since the kernel has it, and tests are quicker.
  fsync: durable ? 'on' : 'off',
  full_page_writes: durable ? 'on' : 'off',
})

const clamp = (value: number, low: number, high: number): number => Math.floor(Math.max(low, Math.min(high, value)))

const confText = (settings: Record<string, string>): string =>
  [
    '# Written at each start of Culm: changes here are lost. Use `alter system set …` instead.',
    ...Object.entries(settings).map(([name, value]) => `${name} = ${quoteSetting(value)}`),
    '',
  ].join('\n')

/** A string of postgresql.conf: quotes are doubled, and a backslash starts an escape. */
export const quoteSetting = (value: string): string => `'${value.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`

/** An entry of a list of paths, such as `unix_socket_directories`, where a comma would end it. */
export const quoteListItem = (path: string): string => `"${path.replaceAll('"', '""')}"`
