import { expect, test } from 'vitest'
import { apptainerRuntime } from './apptainer.ts'

// Debian has no apptainer, so nothing runs here: what is looked at is the command line that would.
const runtime = apptainerRuntime({
  program: 'apptainer',
  env: { APPTAINER_CACHEDIR: '/cache' },
  gpuMakers: ['nvidia', 'amd'],
})

const wanted = {
  ...{ image: 'python:3.12', program: 'python3', args: ['-m', 'x'], env: { CULM_JOB: 'j1', HOME: '/h' }, cwd: '/w/j1' },
  ...{
    gpus: false,
    channel: true,
    read: ['/r'],
    write: ['/w'],
    hidden: ['/p'],
    ownEnv: { PATH: '/bin', HOME: '/home/me' },
    pidFile: '/p/1',
  },
}

test('a program is started in a container that has nothing of the machine but what it was given', () => {
  expect(runtime.start(wanted)).toEqual({
    program: 'apptainer',
    args: [
      ...['exec', '--containall', '--no-home', '--pwd', '/w/j1', '--bind', '/r:/r:ro', '--bind', '/w:/w'],
      ...['docker://python:3.12', 'python3', '-m', 'x'],
    ],
    env: {
      APPTAINER_CACHEDIR: '/cache',
      PATH: '/bin',
      HOME: '/home/me',
      APPTAINERENV_CULM_JOB: 'j1',
      APPTAINERENV_HOME: '/h',
    },
  })
  expect(runtime.start({ ...wanted, image: '/images/x.sif' }).args).toContain('/images/x.sif')
  expect(runtime.start({ ...wanted, image: 'oras://site/x' }).args).toContain('oras://site/x')
})

test('under its earlier name its variables have another one too', () => {
  const singularity = apptainerRuntime({ program: '/usr/bin/singularity', env: {}, gpuMakers: [] })
  expect(singularity.start(wanted).env).toEqual({
    PATH: '/bin',
    HOME: '/home/me',
    SINGULARITYENV_CULM_JOB: 'j1',
    SINGULARITYENV_HOME: '/h',
  })
})

test('images of registries are brought before they are used, files are there', () => {
  expect(runtime.fetch('docker://python:3.12', { PATH: '/bin' })).toEqual({
    program: 'apptainer',
    args: ['exec', '--containall', 'docker://python:3.12', 'true'],
    env: { APPTAINER_CACHEDIR: '/cache', PATH: '/bin' },
  })
  expect(runtime.fetch('/images/x.sif', {})).toBeNull()
})

test('it refuses what is not there', () => {
  expect(runtime.refuses('docker://python:3.12')).toBeNull()
  expect(runtime.refuses('/')).toBeNull()
  expect(runtime.refuses('/no/such.sif')).toBe('there is no image /no/such.sif')
  expect(runtime.refuses('host')).toMatch(/full path or address/)
})

test('a program with GPUs gets the devices and drivers of all makers that the machine has', () => {
  const { args } = runtime.start({ ...wanted, gpus: true })
  expect(args.slice(args.indexOf('/w:/w') + 1)).toEqual([
    '--nv',
    '--rocm',
    'docker://python:3.12',
    'python3',
    '-m',
    'x',
  ])
})
