import { Command } from 'commander'
import type { Client } from '../contract/client.ts'
import type { Notice } from '../contract/notices.ts'
import type { Workflow } from '../contract/workflows.ts'
import type { Cli } from './cli.ts'
import { exitCodes } from './errors.ts'
import { naming, subjectOf } from './ids.ts'
import { onInterrupt } from './interrupts.ts'
import { followWorkflow } from './progress/follow.ts'
import { openLive } from './progress/live.ts'

export const watchCommand = (cli: Cli): Command =>
  new Command('watch')
    .description('follow a workflow until it ends')
    .argument('<id>', 'w12; of t34 or j56 it is the workflow that they belong to')
    .addHelpText(
      'after',
      '\nExit code 0 when it is done, 1 when it ended otherwise. Ctrl-C ends the watching, not the workflow.\nWith --json each notice is one line, and the workflow as it ended is the last.',
    )
    .action(async (text: string) => {
      const client = await cli.client()
      const onNotice = cli.json ? (notice: Notice) => cli.printJson(notice) : undefined
      const workflow = await watch(cli, client, await workflowOf(client, text), onNotice)
      if (workflow && cli.json) cli.printJson({ kind: 'workflow', data: workflow })
    })

/** Shows a workflow until it ends, and lets the exit code say how. @returns undefined when Ctrl-C was first. */
export const watch = async (
  cli: Cli,
  client: Client,
  id: `w${number}`,
  onNotice?: (notice: Notice) => void,
): Promise<Workflow | undefined> => {
  const live = openLive(cli)
  const leaving = new AbortController()
  const stopListening = onInterrupt(cli, () => leaving.abort())
  try {
    const workflow = await followWorkflow({
      client,
      id,
      clock: cli.world.clock,
      signal: leaving.signal,
      onView: live.show,
      onNotice,
    })
    live.end()
    if (leaving.signal.aborted && !workflow.endedAt) {
      cli.note(`${id} goes on; culm cancel ${id} ends it`)
      cli.world.setExitCode(exitCodes.interrupted)
      return undefined
    }
    if (workflow.state !== 'done') {
      cli.note(`culm explain ${id} says why`)
      cli.world.setExitCode(exitCodes.failed)
    }
    return workflow
  } finally {
    live.end()
    stopListening()
  }
}

const workflowOf = async (client: Client, text: string): Promise<`w${number}`> => {
  const { noun, id } = subjectOf(text)
  switch (noun) {
    case 'w':
      return (await naming(id, client.call('getWorkflow', { params: { id } }))).id
    case 't':
      return (await naming(id, client.call('getTask', { params: { id } }))).workflowId
    case 'j':
      return (await naming(id, client.call('getJob', { params: { id } }))).workflowId
  }
}
