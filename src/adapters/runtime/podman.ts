import type { GpuMaker, Inside, Runtime } from '../../ports/runtime.ts'

/** `docker.io/library/python:3.12`, `python:3.12`, `docker://…`, a digest: no path, and no word that means something to others. */
const isReference = (image: string): boolean => !image.startsWith('/') && !image.startsWith('.') && image !== 'host'

/**
 * Runs images of registries by podman, without rights of root where it is started without them. The processes of a container are nobody's children here: podman
 * writes down which is the first. `env`: where its settings and its run-time files are.
 */
export const podmanRuntime = ({
  program,
  env: own,
  gpuMakers,
}: {
  program: string
  env: Record<string, string>
  gpuMakers: readonly GpuMaker[]
}): Runtime => ({
  name: 'podman',
  needsAccount: true,
  refuses: (image) =>
    isReference(image) ? null : 'podman runs images of registries, such as docker.io/library/python:3.12',
  fetch: (image, env) => ({
    program: 'sh',
    args: ['-c', '"$0" image exists "$1" || "$0" pull "$1"', program, image],
    env: { ...own, ...env },
  }),
  start: (wanted) => ({
    program,
    args: [
      'run',
      ...optionsOf(wanted, { ...own, ...wanted.ownEnv }),
      ...devicesFor(wanted, gpuMakers),
      wanted.image,
      wanted.program,
      ...wanted.args,
    ],
    env: { ...wanted.env, ...own, ...wanted.ownEnv },
    pidFile: wanted.pidFile,
  }),
})

/**
 * All of them: a program that had only its own would count them anew, and its variables would name others. Those of NVIDIA by the description that its container toolkit
 * writes down (CDI), with the driver's libraries; those of AMD need but their files.
 */
const gpuDevices = { nvidia: ['nvidia.com/gpu=all'], amd: ['/dev/kfd', '/dev/dri'] } as const

const devicesFor = ({ gpus }: Inside, makers: readonly GpuMaker[]): string[] =>
  gpus ? makers.flatMap((maker) => gpuDevices[maker].map((device) => `--device=${device}`)) : []

const optionsOf = ({ env, cwd, channel, read, write, pidFile }: Inside, own: Record<string, string>): string[] => [
  '--rm',
  '--pull=missing',
  '--network=host',
  // Straight to the streams that it was given, and not by way of a log of its own.
  '--log-driver=passthrough',
  ...(channel ? ['--preserve-fds=1'] : []),
  `--pidfile=${pidFile}`,
  // The user of the image has no right to our folders; its root is us.
  '--user=0:0',
  '--security-opt=label=disable',
  '--entrypoint=',
  `--workdir=${cwd}`,
  ...read.map((path) => `--volume=${path}:${path}:ro`),
  ...write.map((path) => `--volume=${path}:${path}:rw`),
  // By name, so that no value is on a command line; but for those that podman needs itself.
  ...Object.keys(env).map((name) => (name in own ? `--env=${name}=${env[name]}` : `--env=${name}`)),
]
