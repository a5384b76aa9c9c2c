import { Command, Option } from 'commander'
import type { BodyInputOf } from '../contract/routes.ts'
import { type EnvironmentOptions, environmentOf } from '../sdk/environment.ts'
import type { Cli } from './cli.ts'
import { withEnvironment } from './environmentOptions.ts'
import { type Cell, type Column, table } from './look/table.ts'
import { parseSeconds } from './submit/quantities.ts'

/** Who may use an installation, and by which tokens: experiments, users, queues. */
export const experimentCommand = (cli: Cli): Command =>
  new Command('experiment')
    .description('experiments: the tenants of an installation')
    .addCommand(
      new Command('add')
        .description('make one, with a group of users (operators)')
        .argument('<name>')
        .action(async (name: string) => {
          const made = await (await cli.client()).call('createExperiment', { body: { name } })
          if (cli.json) return cli.printJson(made)
          cli.print(`${name} is there; its first admin: culm user add NAME --experiment ${name} --admin`)
        }),
    )
    .addCommand(
      new Command('ls').description('your experiment; operators see all').action(async () => {
        const { items } = await (await cli.client()).call('listExperiments')
        const columns = [{ title: 'name', flexible: true }, { title: 'users', right: true }, { title: 'groups' }]
        printTable(cli, items, columns, (e) => [e.name, String(e.users), e.groups.join(', ')])
      }),
    )

type UserOptions = { experiment?: string; group?: string; manager?: boolean; admin?: boolean }

export const userCommand = (cli: Cli): Command =>
  new Command('user')
    .description('users of an experiment, and their tokens')
    .addCommand(
      new Command('add')
        .description('add a user, or a user who is there to one group more (admins)')
        .argument('<name>')
        .option('--experiment <name>', 'yours when left out')
        .option('--group <name>', 'made when there is none; the first of the experiment when left out')
        .option('--manager', 'may change the work of the group')
        .option('--admin', 'may change all work of the experiment, and add users')
        .action(async (name: string, { experiment, group, manager, admin }: UserOptions) => {
          const body = { name, experiment, group, role: manager ? ('manager' as const) : undefined, admin }
          const user = await (await cli.client()).call('addUser', { body, repeat: true })
          if (cli.json) return cli.printJson(user)
          cli.print(`${name} is in ${user.experiment}: ${user.groups.map((g) => g.name).join(', ')}`)
        }),
    )
    .addCommand(
      tokenOptions(new Command('token'))
        .description('issue a token for a user: yourself when left out, others by admins')
        .argument('[name]')
        .option('--experiment <name>', 'whose user it is; yours when left out')
        .action((user: string | undefined, { experiment, ...options }: TokenOptions & { experiment?: string }) =>
          issue(cli, { user, experiment }, options),
        ),
    )
    .addCommand(
      new Command('ls').description('users of your experiment; operators see all').action(async () => {
        const { items } = await (await cli.client()).call('listUsers')
        const columns = ['name', 'experiment', 'groups', 'roles'].map((title) => ({ title, flexible: true }))
        printTable(cli, items, columns, (u) => [
          u.name,
          u.experiment,
          u.groups.map(({ name, role }) => (role === 'manager' ? `${name} (manager)` : name)).join(', '),
          u.roles.join(', '),
        ])
      }),
    )

export const queueCommand = (cli: Cli): Command =>
  new Command('queue')
    .description('compute queues, and the tokens of their pilots (culm ls queues lists them)')
    .addCommand(
      withEnvironment(new Command('add'))
        .description('make one (operators); where its jobs run, in what they do not say themselves')
        .argument('<name>')
        .addOption(new Option('--site <name>', 'where it is; made when there is none').default('local'))
        .action(async (name: string, { site, ...options }: { site: string } & EnvironmentOptions) => {
          const environment = await environmentOf(options, cli.world.cwd)
          const made = await (await cli.client()).call('createQueue', { body: { name, site, environment } })
          if (cli.json) return cli.printJson(made)
          cli.print(`${name} is there, at ${site}; a token for its pilots: culm queue token ${name}`)
        }),
    )
    .addCommand(
      withEnvironment(new Command('environment'))
        .description('say where its jobs run, in what they do not say themselves; without options: nothing (operators)')
        .argument('<name>')
        .action(async (name: string, options: EnvironmentOptions) => {
          const body = (await environmentOf(options, cli.world.cwd)) ?? {}
          const said = await (await cli.client()).call('setQueueEnvironment', { params: { name }, body })
          if (cli.json) return cli.printJson(said)
          const settings = Object.keys(said.environment ?? {})
          cli.print(settings.length > 0 ? `${name} says ${settings.join(', ')}` : `${name} says nothing`)
        }),
    )
    .addCommand(
      tokenOptions(new Command('token'))
        .description('issue a token for the pilots of a queue (operators)')
        .argument('<name>')
        .action((queue: string, options: TokenOptions) => issue(cli, { queue }, options)),
    )

export const tokenCommand = (cli: Cli): Command =>
  new Command('token')
    .description('tokens that were issued: who may come in')
    .addCommand(
      new Command('ls').description('yours; admins see those of their experiment, operators all').action(async () => {
        const { items } = await (await cli.client()).call('listTokens')
        const columns = ['id', 'for', 'experiment', 'ends', 'note'].map((title) => ({
          title,
          flexible: title === 'note',
        }))
        printTable(cli, items, columns, (t) => [
          t.id,
          t.kind === 'pilot' ? `pilots of ${t.name}` : t.name,
          t.experiment ?? '',
          t.revokedAt ? 'taken back' : (t.expiresAt?.slice(0, 16).replace('T', ' ') ?? 'never'),
          t.note,
        ])
      }),
    )
    .addCommand(
      new Command('revoke')
        .description('take tokens back')
        .argument('<id...>', 'k7, as `culm token ls` lists them')
        .action(async (ids: `k${number}`[]) => {
          const client = await cli.client()
          for (const id of ids) await client.call('revokeToken', { params: { id }, repeat: true })
          if (cli.json) cli.printJson(ids)
          else cli.print(`taken back: ${ids.join(', ')}`)
        }),
    )

type TokenOptions = { note?: string; expires?: number }

const tokenOptions = (command: Command): Command =>
  command
    .option('--note <text>', 'what it is for, for those who read the list')
    .option('--expires <duration>', 'how long it holds: 12h, 30d; until it is taken back when left out', parseSeconds)

/** Prints nothing but the token, so that it can go into a file or a variable. */
const issue = async (
  cli: Cli,
  whom: Pick<BodyInputOf<'createToken'>, 'queue' | 'user' | 'experiment'>,
  { note, expires }: TokenOptions,
): Promise<void> => {
  const body = { ...whom, note, expiresSeconds: expires }
  const issued = await (await cli.client()).call('createToken', { body })
  if (cli.json) return cli.printJson(issued)
  cli.note(`${issued.id}${issued.expiresAt ? `, until ${issued.expiresAt}` : ''}; it is shown this once`)
  cli.print(issued.token)
}

const printTable = <T>(cli: Cli, items: T[], columns: Column[], cellsOf: (item: T) => Cell[]): void => {
  if (cli.json) cli.printJson(items)
  else cli.print(...table(columns, items.map(cellsOf), cli.style()))
}
