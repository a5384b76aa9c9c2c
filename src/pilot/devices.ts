import type { ClaimedTask } from '../contract/pilots.ts'

/** An attempt, as its devices see it. `devices`: those that it has or had; null on a pilot that has none to give. */
export type Holder = { readonly task: Pick<ClaimedTask, 'gpus'>; devices: readonly string[] | null }

/**
 * The GPUs of this pilot, by the names under which the drivers know them. A job has its own while it has a slot. One that waits for calls of its own lends them to others, as
 * it does its cores, and goes on with the same: its process has seen no others.
 */
export class Devices {
  readonly #names: readonly string[]
  readonly #taken = new Set<string>()

  constructor(names: readonly string[]) {
    this.#names = names
  }

  get count(): number {
    return this.#names.length
  }

  get free(): number {
    return this.#names.length - this.#taken.size
  }

  /** Whether those that it needs are free. */
  areFreeFor({ task, devices }: Holder): boolean {
    if (task.gpus === 0) return true
    return devices?.length ? !devices.some((name) => this.#taken.has(name)) : task.gpus <= this.free
  }

  take(holder: Holder): void {
    if (holder.task.gpus === 0) return
    if (!holder.devices?.length)
      holder.devices = this.#names.filter((name) => !this.#taken.has(name)).slice(0, holder.task.gpus)
    for (const name of holder.devices) this.#taken.add(name)
  }

  giveBack({ devices }: Holder): void {
    for (const name of devices ?? []) this.#taken.delete(name)
  }
}

/**
 * What tells the libraries of a payload which GPUs it has: none is said too, where the pilot has some. HIP counts among those that ROCR_VISIBLE_DEVICES leaves, so that one
 * stays as the pilot has it where there are some.
 */
export const deviceVariables = (devices: readonly string[] | null): Record<string, string> => {
  if (devices === null) return {}
  const names = devices.join(',')
  return {
    ...{ CUDA_VISIBLE_DEVICES: names, HIP_VISIBLE_DEVICES: names },
    ...(names === '' ? { ROCR_VISIBLE_DEVICES: '' } : {}),
  }
}
