import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { checkpoint, restored } from './checkpoint.ts'
import { progress, remainingSeconds, report } from './inside.ts'
import { filesToKeep } from './keepFiles.ts'
import { type Runtime, setRuntime } from './runtime.ts'
import { setup } from './setup.ts'

let folder: string
beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'culm-inside-')))
})
afterEach(async () => {
  setRuntime({})
  await rm(folder, { recursive: true })
})

test('outside of a job the same function runs, and says nothing', async () => {
  report(0, { loss: Number.NaN })
  progress(1, { total: 2, text: 'half' })
  await checkpoint('package.json')
  expect([remainingSeconds(), restored()]).toEqual([undefined, false])
})

test('wrong types are told by the name of the argument', async () => {
  const any = (value: unknown) => value as never
  const wrong: [string, () => unknown][] = [
    ['step', () => report(any('1'), {})],
    ['metrics', () => report(1, any(null))],
    ['metrics.loss', () => report(1, { loss: any('low') })],
    ['metrics.ok', () => report(1, { ok: any(true) })],
    ['done', () => progress(any(undefined))],
    ['total', () => progress(1, { total: any([]) })],
    ['text', () => progress(1, { text: any(3) })],
  ]
  for (const [name, act] of wrong) expect(act, name).toThrow(new RegExp(`^${name} is .*must be`))
  for (const [, act] of wrong) expect(act).toThrow(TypeError)
  await expect(checkpoint(any(3))).rejects.toThrow(TypeError)
  for (const act of [
    () => report(-1, {}),
    () => report(1.5, {}),
    () => report(1e15, {}),
    () => report(1, { '': 1 }),
    () => report(1, { 'a\n': 1 }),
    () => progress(-1),
    () => progress(1, { total: Number.POSITIVE_INFINITY }),
  ])
    expect(act).toThrow(RangeError)
})

test('in a job it is told to the runner, with text that any database holds', () => {
  const told: unknown[] = []
  const runtime: Runtime = {
    report: (step, values) => told.push([step, values]),
    progress: (now) => told.push(now),
    remainingSeconds: () => 12.5,
  }
  setRuntime(runtime)
  report(3, { loss: 0.5, accuracy: Number.NaN })
  progress(1, { text: `${'x'.repeat(999)}😀 and more` })
  progress(2, { total: 4, text: 'a\0b' })
  expect(told).toEqual([
    [3, { loss: 0.5, accuracy: Number.NaN }],
    { done: 1, text: `${'x'.repeat(999)}\ufffd` },
    { done: 2, total: 4, text: 'a\u2400b' },
  ])
  expect(remainingSeconds()).toBe(12.5)
})

test('a file or folder of the working folder can be kept, with what links lead to, and nothing else', async () => {
  const work = join(folder, 'work')
  await mkdir(join(work, 'state/deep'), { recursive: true })
  for (const path of ['outside', 'work/state/model', 'work/state/deep/log']) await writeFile(join(folder, path), path)
  await symlink(join(folder, 'outside'), join(work, 'state/latest'))
  expect([...(await filesToKeep(work, 'state')).keys()].sort()).toEqual([
    'state/deep/log',
    'state/latest',
    'state/model',
  ])
  expect([...(await filesToKeep(work, join(work, 'state/model')))]).toEqual([
    ['state/model', join(work, 'state/model')],
  ])
  expect((await filesToKeep(work, '.')).size).toBe(3)
  await symlink(folder, join(work, 'away'))
  for (const path of ['../outside', '/etc/passwd', 'away/outside', 'nothing', 'no/thing', '.', 'state/../..'])
    await expect(filesToKeep(work, path), path).rejects.toMatchObject({ code: 'checkpoint_invalid' })
})

test('a value is made once, also when it is a promise; what failed is tried again', async () => {
  let made = 0
  const number = setup(() => ++made)
  expect([number(), number(), made]).toEqual([1, 1, 1])
  const nothing = setup(() => void made++)
  nothing()
  nothing()
  expect(made).toBe(2)

  let tries = 0
  const model = setup(async () => {
    if (++tries === 1) throw new Error('not yet')
    return { tries }
  })
  const first = model()
  expect(model()).toBe(first)
  await expect(first).rejects.toThrow('not yet')
  expect(await model()).toBe(await model())
  expect(tries).toBe(2)

  const fragile = setup(() => {
    if (++tries === 3) throw new Error('not yet')
    return tries
  })
  expect(fragile).toThrow('not yet')
  expect([fragile(), fragile()]).toEqual([4, 4])
  expect(() => setup(3 as never)).toThrow(TypeError)
})
