import { statSync } from 'node:fs'
import { isAbsolute } from 'node:path'
import type { GpuMaker, Inside, Runtime } from '../../ports/runtime.ts'

/** Runs images by apptainer, or by singularity, which it was called before: files (`.sif`), unpacked folders, and those of registries (`docker://…`). `env`: where its settings and its cache are. */
export const apptainerRuntime = ({
  program,
  env: own,
  gpuMakers,
}: {
  program: string
  env: Record<string, string>
  gpuMakers: readonly GpuMaker[]
}): Runtime => ({
  name: 'apptainer',
  needsAccount: true,
  refuses: (image) => {
    if (image === 'host' || image.startsWith('.'))
      return 'apptainer runs images by their full path or address, such as docker://python:3.12'
    return !isAbsolute(image) || statSync(image, { throwIfNoEntry: false }) ? null : `there is no image ${image}`
  },
  // Run once for nothing, it brings the image into its cache.
  fetch: (image, env) =>
    isAbsolute(image)
      ? null
      : { program, args: ['exec', '--containall', addressOf(image), 'true'], env: { ...own, ...env } },
  start: (wanted) => ({
    program,
    args: [
      'exec',
      ...optionsOf(wanted),
      ...(wanted.gpus ? gpuMakers.map((maker) => gpuOption[maker]) : []),
      addressOf(wanted.image),
      wanted.program,
      ...wanted.args,
    ],
    env: { ...own, ...wanted.ownEnv, ...variablesOf(wanted, program) },
  }),
})

/** Brings in the devices and the driver's libraries (apptainer's guide, "GPU support"). */
const gpuOption = { nvidia: '--nv', amd: '--rocm' } as const

/** A name without a scheme is one of a registry, as podman has it. */
const addressOf = (image: string): string => (isAbsolute(image) || image.includes('://') ? image : `docker://${image}`)

const optionsOf = ({ cwd, read, write }: Inside): string[] => [
  '--containall',
  '--no-home',
  '--pwd',
  cwd,
  ...read.flatMap((path) => ['--bind', `${path}:${path}:ro`]),
  ...write.flatMap((path) => ['--bind', `${path}:${path}`]),
]

/** The way in for variables of the program that leaves out all others. */
const variablesOf = ({ env }: Inside, program: string): Record<string, string> => {
  const prefix = program.endsWith('singularity') ? 'SINGULARITYENV_' : 'APPTAINERENV_'
  return Object.fromEntries(Object.entries(env).map(([name, value]) => [`${prefix}${name}`, value]))
}
