import { existsSync, readdirSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { sha256 } from '../lib/digest.ts'
import { command, pilotFixture, until, valueIn } from './testing/pilotFixture.ts'

const pilots = pilotFixture()
const value = 'hunter2-é-"quoted"'
const given = (more: object) => [{ name: 'db', value: Buffer.from(value).toString('base64'), ...more }]

const saidBy = async (jobId: `j${number}`, stream: 'stdout' | 'stderr', end: string): Promise<string> => {
  await pilots.server.said(jobId, stream, end)
  return pilots.server.output.get(`${jobId}:${stream}`)!
}

describe('secrets of a command', () => {
  test('it has them as variable and as file, and its output shows their name instead', async () => {
    await pilots.start()
    const script = 'echo "<$DB>"; cat "$CULM_SECRETS/db.txt"; stat -c " %a" "$FILE"; printf %s "$DB" | base64; echo end'
    const secrets = [...given({ env: 'DB' }), ...given({ env: 'FILE', file: 'db.txt' })]
    const jobId = pilots.server.submit({ payload: command('sh', '-c', script), secrets })
    expect(await saidBy(jobId, 'stdout', 'end')).toMatch(/^<‹db›>\n‹db› 600\n‹db›\S{0,3}\nend\n$/)
  })

  test('the text of its error does not show them, and its files are gone with it', async () => {
    await pilots.start()
    const script = 'echo "$CULM_SECRETS"; echo "bad password $DB" >&2; exit 3'
    const secrets = [...given({ env: 'DB' }), ...given({ file: 'db.txt' })]
    const jobId = pilots.server.submit({ payload: command('sh', '-c', script), secrets })
    const { error } = await pilots.server.ended(jobId)
    expect(error!.stack).toBe('bad password ‹db›')
    const folder = (await saidBy(jobId, 'stdout', '\n')).trim()
    expect(folder).toMatch(/^\/dev\/shm\/culm-/)
    expect(existsSync(folder)).toBe(false)
  })

  test('written a few bytes at a time it is not shown either', async () => {
    await pilots.start()
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the shell's.
    const script = 'for c in h u n t e r; do printf $c; sleep 0.02; done; printf %s "${DB#hunter}"; echo .; printf hunt'
    const jobId = pilots.server.submit({ payload: command('sh', '-c', script), secrets: given({ env: 'DB' }) })
    expect(await saidBy(jobId, 'stdout', 'hunt')).toBe('‹db›.\nhunt')
  })
})

describe('secrets of a function', () => {
  const body = `
    const { readFileSync } = await import('node:fs')
    const file = process.env.CULM_SECRETS && readFileSync(process.env.CULM_SECRETS + '/db.txt', 'utf8')
    console.log('has ' + process.env.DB)
    if (args[0] === 'fail') throw new Error('refused: ' + file)
    if (args[0] === 'large') return process.env.DB + 'x'.repeat(2_000_000)
    return [process.env.DB ?? null, file ?? null, process.pid]`
  const secrets = [...given({ env: 'DB' }), ...given({ file: 'db.txt' })]

  test('results, errors and output show their names; the next job of the same process has them again', async () => {
    const pilot = await pilots.start({ slots: 1 })
    const payload = pilots.work(body)
    const first = pilots.server.submit({ payload, secrets, args: ['ok'] })
    const [variable, file, pid] = valueIn(await pilots.server.ended(first)) as [string, string, number]
    expect([variable, file]).toEqual(['‹db›', '‹db›'])
    expect(await saidBy(first, 'stdout', '\n')).toBe('has ‹db›\n')
    const name = `culm-${sha256(pilot.folder).slice(0, 16)}`
    const folders = () => readdirSync('/dev/shm').filter((one) => one === name)
    const files = () =>
      folders()
        .flatMap((name) => readdirSync(`/dev/shm/${name}`, { recursive: true, withFileTypes: true }))
        .filter((one) => one.isFile())
    await until('no file of a secret is left', () => files().length === 0)

    const failed = await pilots.server.ended(pilots.server.submit({ payload, secrets, args: ['fail'] }))
    expect(failed.error).toMatchObject({ message: 'refused: ‹db›' })
    expect(failed.error!.stack).not.toContain('hunter2')
    const again = valueIn(await pilots.server.ended(pilots.server.submit({ payload, secrets, args: ['ok'] })))
    expect(again).toEqual(['‹db›', '‹db›', pid])
    await pilot.close()
    expect(folders()).toEqual([])
  })

  test('a large result, which goes by reference, does not show them', async () => {
    await pilots.start()
    const report = await pilots.server.ended(
      pilots.server.submit({ payload: pilots.work(body), secrets, args: ['large'] }),
    )
    const { blob } = report.value as { blob: string }
    expect(pilots.server.blobs.get(blob)!.toString().slice(0, 6)).toBe('"‹db›x')
  })

  test('a job that names none gets a process that never had them', async () => {
    await pilots.start()
    const payload = pilots.work(body)
    const [, , pid] = valueIn(await pilots.server.ended(pilots.server.submit({ payload, secrets, args: ['ok'] }))) as [
      string,
      string,
      number,
    ]
    const [variable, file, other] = valueIn(
      await pilots.server.ended(pilots.server.submit({ payload, args: ['ok'] })),
    ) as unknown[]
    expect([variable, file]).toEqual([null, null])
    expect(other).not.toBe(pid)
  })

  test('one that could not be given fails the job and says why', async () => {
    await pilots.start()
    const missing = [{ name: 'db', env: 'DB', value: null, problem: 'it was removed' }]
    const report = await pilots.server.ended(pilots.server.submit({ payload: pilots.work(body), secrets: missing }))
    expect(report).toMatchObject({ what: 'failed', cause: 'user', error: { type: 'SecretMissing' } })
  })
})
