import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { apptainerRuntime } from '../adapters/runtime/apptainer.ts'
import { bubblewrapRuntime } from '../adapters/runtime/bubblewrap.ts'
import { noRuntime } from '../adapters/runtime/none.ts'
import { podmanRuntime } from '../adapters/runtime/podman.ts'
import { fault } from '../contract/faults.ts'
import type { Runtime } from '../ports/runtime.ts'
import { gpuMakersOf } from './gpus.ts'

/** In the order in which they are asked whether they can run an image. */
export const runtimeNames = ['bubblewrap', 'podman', 'apptainer', 'none'] as const
type Name = (typeof runtimeNames)[number]

/**
 * What runs images on this machine: those that were named, in that order, or all that are installed. Whether they work is seen when a first job wants one: to try them
 * would cost each start of a pilot a second.
 */
export const chooseRuntimes = (env: NodeJS.ProcessEnv, wanted: readonly Name[] = []): Runtime[] => {
  if (wanted.length === 0)
    return runtimeNames.filter((name) => name !== 'none').flatMap((name) => installed(name, env) ?? [])
  return wanted.map((name) => {
    const runtime = installed(name, env)
    if (!runtime) throw fault('invalid_input', `--runtime ${name}: it is not installed here`)
    return runtime
  })
}

const installed = (name: Name, env: NodeJS.ProcessEnv): Runtime | undefined => {
  if (name === 'none') return noRuntime
  const program = programs[name].map((each) => found(each, env.PATH ?? '')).find((path) => path !== undefined)
  return program === undefined
    ? undefined
    : adapters[name]({ program, env: ownVariables(env), gpuMakers: gpuMakersOf() })
}

const programs = { bubblewrap: ['bwrap'], podman: ['podman'], apptainer: ['apptainer', 'singularity'] } as const
const adapters = { bubblewrap: bubblewrapRuntime, podman: podmanRuntime, apptainer: apptainerRuntime } as const

/** Where their settings, caches and run-time files are. */
const ownVariables = (env: NodeJS.ProcessEnv): Record<string, string> =>
  Object.fromEntries(
    Object.entries(env).filter(([name]) =>
      /^(?:XDG_\w+|CONTAINERS_\w+|APPTAINER_\w+|SINGULARITY_\w+|REGISTRY_AUTH_FILE|DBUS_SESSION_BUS_ADDRESS)$/.test(
        name,
      ),
    ),
  ) as Record<string, string>

const found = (program: string, path: string): string | undefined =>
  path
    .split(delimiter)
    .filter((folder) => folder.startsWith('/'))
    .map((folder) => join(folder, program))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK)
        return true
      } catch {
        return false
      }
    })
