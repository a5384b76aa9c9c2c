import type { Client } from '../../contract/client.ts'
import type { Workflow } from '../../contract/workflows.ts'
import type { Cli } from '../cli.ts'
import { followWorkflow } from './follow.ts'
import { openLive } from './live.ts'

/** Follows the workflows of a program as they come, and shows them together. */
export type Follower = {
  readonly ids: readonly `w${number}`[]
  add(id: `w${number}`): void
  /** Takes a last look. @returns what became of each. */
  end(): Promise<Workflow[]>
}

export const openFollower = (cli: Cli, client: Client): Follower => {
  const live = openLive(cli)
  const ending = new AbortController()
  const followed = new Map<`w${number}`, Promise<Workflow | undefined>>()
  const { clock } = cli.world
  return {
    get ids() {
      return [...followed.keys()]
    },
    add: (id) => {
      if (followed.has(id)) return
      const following = followWorkflow({ client, id, clock, signal: ending.signal, onView: live.show })
      // Looking on is a service: what the program does is told by the program.
      followed.set(
        id,
        following.catch(() => undefined),
      )
    },
    end: async () => {
      ending.abort()
      const workflows = await Promise.all(followed.values())
      live.end()
      return workflows.filter((workflow) => workflow !== undefined)
    },
  }
}
