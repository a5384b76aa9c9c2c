import { Command } from 'commander'
import type { ReplyOf } from '../contract/routes.ts'
import type { Cli } from './cli.ts'

export const whoamiCommand = (cli: Cli): Command =>
  new Command('whoami').description('who you are to the server').action(async () => {
    const client = await cli.client()
    const me = await client.call('me')
    if (cli.json) return cli.printJson({ ...me, url: client.url })
    cli.print(...identityLines(me, client.url))
  })

/** Who someone is, and where. */
export const identityLines = (me: ReplyOf<'me'>, url: string): string[] => {
  const groups = me.groups.length > 0 ? `, in ${me.groups.join(', ')}` : ''
  const roles = me.roles.length > 0 ? ` (${me.roles.join(', ')})` : ''
  return [`${me.name}${roles} of ${me.experiment}${groups}`, `${url}, Culm ${me.serverVersion}`]
}
