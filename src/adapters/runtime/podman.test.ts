import { expect, test } from 'vitest'
import { conformRuntime } from '../../../test/conformance/runtime.ts'
import { describeNeeding } from '../../../test/support/needs.ts'
import { noPodman, testPodman } from '../../../test/support/podman.ts'
import { podmanRuntime } from './podman.ts'

describeNeeding(noPodman)('podman', () => {
  conformRuntime(() => {
    const { env, makeImage } = testPodman()
    return {
      runtime: podmanRuntime({ program: 'podman', env, gpuMakers: [] }),
      image: makeImage(),
      keepsApart: true,
      ownEnv: { PATH: process.env.PATH! },
    }
  })
})

const runtime = podmanRuntime({ program: 'podman', env: { XDG_RUNTIME_DIR: '/run/me' }, gpuMakers: ['nvidia', 'amd'] })

test('an image is looked for before it is brought', () => {
  expect(runtime.fetch('python:3.12', { PATH: '/bin' })).toEqual({
    program: 'sh',
    args: ['-c', '"$0" image exists "$1" || "$0" pull "$1"', 'podman', 'python:3.12'],
    env: { XDG_RUNTIME_DIR: '/run/me', PATH: '/bin' },
  })
})

test('values of variables are on no command line, but for those that podman needs itself', () => {
  const { args, env } = runtime.start({
    ...{
      image: 'x',
      program: 'y',
      args: [],
      env: { PASSWORD: 'hunter2', HOME: '/h' },
      cwd: '/w',
      gpus: false,
      channel: false,
    },
    ...{ read: [], write: ['/w'], hidden: [], ownEnv: { HOME: '/home/me' }, pidFile: '/p' },
  })
  expect(args).toContain('--env=PASSWORD')
  expect(args).toContain('--env=HOME=/h')
  expect(args.join(' ')).not.toContain('hunter2')
  expect(env).toEqual({ PASSWORD: 'hunter2', HOME: '/home/me', XDG_RUNTIME_DIR: '/run/me' })
})

test('it refuses paths', () => {
  expect(runtime.refuses('/images/root')).toMatch(/images of registries/)
  expect(runtime.refuses('host')).toMatch(/images of registries/)
  expect(runtime.refuses('docker.io/library/python:3.12')).toBeNull()
})

// This machine has none: what is looked at is the command line.
test('a program with GPUs gets the devices of all makers that the machine has', () => {
  const wanted = {
    ...{ image: 'x', program: 'y', args: [], env: {}, cwd: '/w', channel: false },
    ...{ read: [], write: ['/w'], hidden: [], ownEnv: {}, pidFile: '/p' },
  }
  const devices = ({ args }: { args: string[] }) => args.filter((each) => each.startsWith('--device'))
  expect(devices(runtime.start({ ...wanted, gpus: true }))).toEqual([
    ...['--device=nvidia.com/gpu=all', '--device=/dev/kfd', '--device=/dev/dri'],
  ])
  expect(devices(runtime.start({ ...wanted, gpus: false }))).toEqual([])
})
