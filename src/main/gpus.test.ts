import { expect, test } from 'vitest'
import { gpuMakersOf, gpusOf } from './gpus.ts'

const files = ['null', 'nvidia0', 'nvidia3', 'nvidiactl', 'nvidia-uvm']

test('without a word there are as many as the driver has files of, counted from 0', () => {
  expect(gpusOf({}, undefined, files)).toEqual(['0', '1'])
  expect(gpusOf({}, undefined, ['null'])).toEqual([])
})

test('how many may be said; 0 leaves them to whoever uses them', () => {
  expect(gpusOf({}, 1, files)).toEqual(['0'])
  expect(gpusOf({}, 0, files)).toEqual([])
  expect(gpusOf({}, 2, [])).toEqual(['0', '1'])
})

test.each([
  [{ CUDA_VISIBLE_DEVICES: '2, 5' }, undefined, ['2', '5']],
  [{ CUDA_VISIBLE_DEVICES: '2,5' }, 1, ['2']],
  [{ CUDA_VISIBLE_DEVICES: '2' }, 4, ['2']],
  [{ CUDA_VISIBLE_DEVICES: '' }, undefined, []],
  [{ CUDA_VISIBLE_DEVICES: 'NoDevFiles' }, 2, []],
  [{ CUDA_VISIBLE_DEVICES: '1,-1,2' }, undefined, ['1']],
  [{ CUDA_VISIBLE_DEVICES: 'GPU-1a2b-3c,MIG-9/1/0' }, undefined, ['GPU-1a2b-3c', 'MIG-9/1/0']],
  [{ HIP_VISIBLE_DEVICES: '3' }, undefined, ['3']],
  [{ ROCR_VISIBLE_DEVICES: '4,6', CUDA_VISIBLE_DEVICES: '4,6' }, undefined, ['0', '1']],
] as const)('of %o and %s wanted, a pilot gives out %o', (env, wanted, names) => {
  expect(gpusOf(env, wanted, files)).toEqual(names)
})

test('whose they are is told by the files of their drivers', () => {
  expect(gpuMakersOf(files)).toEqual(['nvidia'])
  expect(gpuMakersOf(['null', 'kfd', 'dri'])).toEqual(['amd'])
  expect(gpuMakersOf(['null', 'dri'])).toEqual([])
})
