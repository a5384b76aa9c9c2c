import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { sha256 } from '../lib/digest.ts'
import { command, pilotFixture, until, valueIn } from './testing/pilotFixture.ts'

/** What payloads say and find while they run. */
const pilots = pilotFixture()

const toldBy = (jobId: string) => pilots.server.told.metrics.filter((metric) => metric.jobId === jobId)

test('what a job says is at the server while it runs, and all of it when it has ended', async () => {
  await pilots.start()
  const flag = join(pilots.scratch, 'go')
  const payload = pilots.work(`
    runtime().report(0, { loss: 1, note: NaN })
    runtime().progress({ done: 1, total: 3 })
    await fileAt(${JSON.stringify(flag)})
    for (let step = 1; step <= 300; step++) runtime().report(step, { loss: 1 / step })
    runtime().progress({ done: 3, total: 3, text: 'done' })`)
  const id = pilots.server.submit({ payload })
  await pilots.server.until(
    'its first words',
    () => toldBy(id).length === 2 && pilots.server.told.progress.length === 1,
  )
  expect(toldBy(id)).toContainEqual({ jobId: id, attempt: 1, name: 'note', step: 0, value: 'NaN' })
  writeFileSync(flag, '')
  await pilots.server.ended(id)
  await pilots.server.until('its last words', () => toldBy(id).length === 302)
  expect(pilots.server.told.progress.at(-1)).toEqual({ jobId: id, attempt: 1, done: 3, total: 3, text: 'done' })
})

test('what was said while the server was away comes when it is back', async () => {
  await pilots.start()
  const flag = join(pilots.scratch, 'go')
  const payload = pilots.work(`
    runtime().report(0, { loss: 1 })
    await fileAt(${JSON.stringify(flag)})
    runtime().report(1, { loss: 2 })`)
  const id = pilots.server.submit({ payload })
  await pilots.server.until('its first words', () => toldBy(id).length === 1)
  await pilots.server.stop()
  writeFileSync(flag, '')
  await pilots.server.start()
  await pilots.server.until('its last words', () => toldBy(id).length === 2)
})

test('no secret is in what a job says of itself', async () => {
  await pilots.start()
  const secrets = [{ name: 'key', value: Buffer.from('hunter2').toString('base64'), env: 'KEY' }] as never
  const payload = pilots.work(`
    runtime().progress({ done: 1, text: 'with ' + process.env.KEY })
    runtime().report(1, { ['of ' + process.env.KEY]: 1 })`)
  const id = pilots.server.submit({ payload, secrets })
  await pilots.server.ended(id)
  await pilots.server.until('its words', () => toldBy(id).length === 1 && pilots.server.told.progress.length === 1)
  expect([pilots.server.told.progress[0]!.text, toldBy(id)[0]!.name]).toEqual(['with ‹key›', 'of ‹key›'])
})

test('words that are none end the runner and no other job', async () => {
  await pilots.start()
  const payload = pilots.work(`
    if (args[0]) runtime().report('1', {})
    return process.pid`)
  const bad = pilots.server.submit({ payload, args: [true] })
  expect(await pilots.server.ended(bad)).toMatchObject({ cause: 'runner', error: { type: 'RunnerEnded' } })
  valueIn(await pilots.server.ended(pilots.server.submit({ payload, args: [false] })))
})

const kept = { 'state/model': 'weights', 'state/deep/log': 'epoch 1\n' }

const look = `
  const walk = (at) => readdirSync(at, { withFileTypes: true }).flatMap((e) => e.isDirectory() ? walk(at + '/' + e.name) : [at + '/' + e.name])
  const found = walk('.').sort()`

test('what an earlier attempt has kept lies in the folder of the next, which may write there, and of no other job', async () => {
  const pilot = await pilots.start({ slots: 1 })
  const payload = pilots.work(`${look}
    if (runtime().restored) writeFileSync('state/model', 'better')
    return { found, restored: runtime().restored, pid: process.pid }`)
  const ids = [
    pilots.server.submit({ payload }),
    pilots.server.submit({ payload, kept }),
    pilots.server.submit({ payload }),
    pilots.server.submit({ payload, kept }),
  ]
  const values = []
  for (const id of ids) values.push(valueIn(await pilots.server.ended(id)) as Record<string, unknown>)
  const restored = { found: ['./state/deep/log', './state/model'], restored: true }
  expect(values).toMatchObject([{ found: [], restored: false }, restored, { found: [], restored: false }, restored])
  expect(new Set(values.map(({ pid }) => pid)).size, 'one warm process').toBe(1)
  expect(readdirSync(join(pilot.folder, 'checkpoints/u1'))).toEqual([])
  await until('the removal of their folders', () => readdirSync(join(pilot.folder, 'jobs/u1')).length <= 1)
})

test('a command finds it too, with a file that says who it is and is for it alone', async () => {
  const pilot = await pilots.start()
  const script = 'cat state/model; cat $CULM_JOB_FILE; stat -c %a $CULM_JOB_FILE; env'
  const id = pilots.server.submit({ payload: command('sh', '-c', script), kept })
  await pilots.server.ended(id)
  await pilots.server.said(id, 'stdout', 'CULM_JOB_FILE=')
  const said = pilots.server.output.get(`${id}:stdout`)!
  expect(said).toMatch(/^weights\{.*\}600\n/)
  const told = JSON.parse(/\{.*\}/.exec(said)![0])
  expect(told).toMatchObject({
    jobId: id,
    attempt: 2,
    serverUrl: pilots.server.url,
    token: `token-of-${id}`,
    restored: true,
  })
  expect(said.split('}600')[1]).not.toContain(`token-of-${id}`)
  const [, file] = /CULM_JOB_FILE=(.*)/.exec(said)!
  await until('its removal', () => !existsSync(file!))
  const named = { ...command('sh', '-c', 'ls; echo file:$CULM_JOB_FILE'), folder: pilots.scratch } as never
  const other = pilots.server.submit({ payload: named, kept })
  await pilots.server.ended(other)
  await pilots.server.said(other, 'stdout', 'file:\n')
  expect(pilots.server.output.get(`${other}:stdout`)).toBe('file:\n')
  await until('the removal of its folder', () => readdirSync(join(pilot.folder, 'jobs/u1')).length === 0)
})

test('a checkpoint that cannot be had fails the attempt for its storage, and a manifest that leads out of the folder is refused', async () => {
  await pilots.start()
  const payload = pilots.work('return 1')
  const absent = pilots.server.submit({ payload, kept: { a: 'x' } })
  pilots.server.blobs.delete(sha256('x'))
  expect(await pilots.server.ended(absent)).toMatchObject({ cause: 'storage', error: { type: 'blob_unknown' } })
  const again = pilots.work('return 1')
  const unsafe = pilots.server.submit({ payload: again, kept: { '../../escaped': 'x' } })
  expect(await pilots.server.ended(unsafe)).toMatchObject({ cause: 'storage', error: { type: 'CheckpointInvalid' } })
  valueIn(await pilots.server.ended(pilots.server.submit({ payload: again })))
})
