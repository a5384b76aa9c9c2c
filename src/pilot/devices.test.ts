import { writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { deviceVariables } from './devices.ts'
import { command, pilotFixture, until, valueIn } from './testing/pilotFixture.ts'

/** No GPU is needed: to the pilot they are names. */
const pilots = pilotFixture()

const seen = `[process.env.CUDA_VISIBLE_DEVICES, process.env.HIP_VISIBLE_DEVICES]`
const showing = 'env | grep ^ROCR_VISIBLE_DEVICES=; echo "cuda is [$CUDA_VISIBLE_DEVICES]"'

test('variables name the devices of a job, and say so where it has none; a pilot that gives none leaves them alone', () => {
  expect(deviceVariables(['2', '5'])).toEqual({ CUDA_VISIBLE_DEVICES: '2,5', HIP_VISIBLE_DEVICES: '2,5' })
  expect(deviceVariables([])).toMatchObject({ CUDA_VISIBLE_DEVICES: '', ROCR_VISIBLE_DEVICES: '' })
  expect(deviceVariables(null)).toEqual({})
})

test('functions and commands that run at the same time see GPUs of their own, and one without sees none', async () => {
  await pilots.start({ slots: 4, gpus: ['3', '7'] })
  const go = `${pilots.scratch}/go`
  const held = pilots.work(`console.log('up'); await fileAt(args[0]); return ${seen}`)
  const ofFunction = pilots.server.submit({ payload: held, args: [go], gpus: 1 })
  await pilots.server.said(ofFunction, 'stdout', 'up')
  const ofCommand = pilots.server.submit({ payload: command('sh', '-c', showing), gpus: 1 })
  const ofNone = pilots.server.submit({ payload: command('sh', '-c', showing) })
  await pilots.server.said(ofCommand, 'stdout', 'cuda is [7]\n')
  await pilots.server.said(ofNone, 'stdout', 'ROCR_VISIBLE_DEVICES=\ncuda is []\n')
  await pilots.server.ended(ofCommand)
  writeFileSync(go, '')
  expect(valueIn(await pilots.server.ended(ofFunction))).toEqual(['3', '3'])
  const both = pilots.server.submit({ payload: pilots.work(`return ${seen}`), gpus: 2 })
  expect(valueIn(await pilots.server.ended(both))).toEqual(['3,7', '3,7'])
})

test('what needs GPUs that become free while a claim is open is claimed then, and not when that claim ends', async () => {
  await pilots.start({ slots: 4, gpus: ['0'], waitSeconds: 60 })
  const go = `${pilots.scratch}/go`
  const first = pilots.server.submit({ payload: pilots.work('await fileAt(args[0])'), args: [go], gpus: 1 })
  await until('a claim that knows of no free GPU', () => pilots.server.claims.at(-1)?.gpus === 0)
  const second = pilots.server.submit({ payload: pilots.work(`return ${seen}`), gpus: 1 })
  writeFileSync(go, '')
  await pilots.server.ended(first)
  expect(valueIn(await pilots.server.ended(second))).toEqual(['0', '0'])
})

test('a warm process is kept for jobs with its own GPUs, and goes when they are given to another', async () => {
  await pilots.start({ slots: 2, gpus: ['0', '1'] })
  const payload = pilots.work('return process.pid')
  const pid = async (more: object) => valueIn(await pilots.server.ended(pilots.server.submit({ payload, ...more })))
  const warm = await pid({ gpus: 1 })
  expect(await pid({ gpus: 1 })).toBe(warm)
  expect(await pid({})).not.toBe(warm)
  expect(await pid({ gpus: 2 })).not.toBe(warm)
  expect(await pid({ gpus: 1 })).not.toBe(warm)
})
