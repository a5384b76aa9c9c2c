import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { postgresFault } from './failure.ts'
import type { Place } from './place.ts'

let place: Place
beforeEach(async () => {
  const home = await mkdtemp(join(tmpdir(), 'culm-failure-'))
  place = { home, dataDir: home, logDir: home, binariesDir: home }
})
afterEach(() => rm(place.home, { recursive: true, force: true }))

const faultFor = (output: string) => postgresFault({ doing: 'starting', output, place })

test.each(['could not write to file "x": No space left on device', 'could not extend file: Disk quota exceeded'])(
  '%s is a full disk',
  async (words) => {
    expect(await faultFor(`LOG: hello\nFATAL:  ${words}`)).toMatchObject({ code: 'home_disk_full' })
  },
)

test('full shared memory is not the user’s disk', async () => {
  const words = 'could not resize shared memory segment "/PostgreSQL.1" to 1048576 bytes: No space left on device'
  expect(await faultFor(words)).toMatchObject({ code: 'postgres_failed' })
})

test('once the collector has the log, the words of this start are read there, and no older ones', async () => {
  await writeFile(join(place.logDir, 'postgres-Mon.log'), 'LOG:  starting PostgreSQL 18\nPANIC:  monday\n')
  await writeFile(
    join(place.logDir, 'postgres-Tue.log'),
    'PANIC:  before\nLOG:  starting PostgreSQL 18\nPANIC:  tuesday\n',
  )
  await utimes(join(place.logDir, 'postgres-Mon.log'), 1, 1)
  const { message } = await faultFor('LOG:  redirecting log output to logging collector process\n(exit code 1)')
  expect(message).toContain('tuesday')
  expect(message).not.toMatch(/monday|before|redirecting/)
})
