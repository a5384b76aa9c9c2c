import type { Runtime } from '../../ports/runtime.ts'
import { Failure } from '../failure.ts'

/** The first of the runtimes that can run the image. `hasAccount`: whether it is to run as a user of whom the system has heard. */
export const runtimeFor = (runtimes: readonly Runtime[], image: string, hasAccount: boolean): Runtime => {
  const refusals: string[] = []
  for (const runtime of runtimes) {
    const why = runtime.refuses(image) ?? (runtime.needsAccount && !hasAccount ? noAccount(runtime.name) : null)
    if (why === null) return runtime
    refusals.push(why)
  }
  const why = refusals.join('; ') || 'none of bubblewrap, podman and apptainer is installed here'
  throw new Failure(
    'environment',
    'ImageNotRun',
    `this pilot cannot run the image ${image}: ${why}. Name a queue whose pilots can, or the image in another form`,
  )
}

const noAccount = (name: string): string =>
  `${name} needs a user with an account, and other owners than the pilot's have none here`
