import { Command } from 'commander'
import { keepLogin, knownLogin, runningHere } from '../sdk/discover.ts'
import type { Cli } from './cli.ts'
import { UsageError } from './errors.ts'
import { identityLines } from './whoami.ts'

export const loginCommand = (cli: Cli): Command =>
  new Command('login')
    .description('make a server the one that your programs speak to')
    .argument('[url]', 'its address; that of the last login when left out')
    .addHelpText(
      'after',
      `
  culm login https://culm.example.org             asks for the token, which is not shown
  culm login https://culm.example.org < token     reads it from a file

The server has to know the token, or nothing is kept. CULM_SERVER, and a server that runs on this machine, go before it.`,
    )
    .action(async (given: string | undefined) => {
      const url = given ?? (await earlierUrl(cli))
      const token = cli.options.token ?? (await typedToken(cli, url))
      const client = await cli.clientOf({ url, token })
      // Nothing is kept of a server that does not answer, or does not know the token.
      const me = await client.call('me').finally(() => client.close())
      const path = await keepLogin({ url: client.url, token }, cli.world.env)
      if (cli.json) return cli.printJson({ ...me, url: client.url })
      cli.print(...identityLines(me, client.url))
      cli.note(`kept in ${path}, for you alone`)
      await noteWhatGoesBefore(cli, client.url)
    })

const earlierUrl = async (cli: Cli): Promise<string> => {
  const known = await knownLogin(cli.world.env)
  if (!known) throw new UsageError("missing required argument 'url'", 'culm login https://culm.example.org')
  return known.url
}

const typedToken = async (cli: Cli, url: string): Promise<string> => {
  const token = (await cli.world.readHidden(`token for ${url}: `)).toString().trim()
  if (token === '')
    throw new UsageError('nothing came', `culm login ${url} < FILE, with the token in the file; or type it in`)
  return token
}

const noteWhatGoesBefore = async (cli: Cli, url: string): Promise<void> => {
  const { CULM_SERVER: named } = cli.world.env
  const here = await runningHere(cli.world.env)
  if (named) cli.note(`CULM_SERVER is ${named}, which goes before`)
  else if (here && here !== url)
    cli.note(`while ${here} runs on this machine, it goes before; CULM_SERVER=${url} names this one`)
}
