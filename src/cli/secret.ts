import { Command } from 'commander'
import type { Cli } from './cli.ts'
import { UsageError } from './errors.ts'
import { table } from './look/table.ts'
import { ago } from './look/times.ts'

/** Shorter ones are not taken out of logs, since that would take out half of the log. */
const leastHidden = 4

export const secretCommand = (cli: Cli): Command =>
  new Command('secret')
    .description('secrets for your jobs: passwords, tokens, keys')
    .addHelpText(
      'after',
      `
  culm secret set grid-proxy < proxy.pem        from a file, or typed in without being shown
  culm submit --secret db-password=DB_PASSWORD -- python3 fit.py
  culm submit --secret-file grid-proxy=proxy.pem:X509_USER_PROXY -- python3 fetch.py

A secret is never taken from the command line, which others on the machine can read, and its value cannot be read back.`,
    )
    .addCommand(setCommand(cli))
    .addCommand(lsCommand(cli))
    .addCommand(rmCommand(cli))
    .addCommand(rotateCommand(cli))

const setCommand = (cli: Cli): Command =>
  new Command('set')
    .description('keep a secret, or replace it: read from standard input, or typed in')
    .argument('<name>', 'letters, digits, dots, dashes, underscores')
    .action(async (name: string) => {
      const value = withoutLineBreak(await cli.world.readHidden(`${name}: `))
      if (value.length === 0) throw new UsageError('nothing came', `printf %s … | culm secret set ${name}`)
      if (value.length < leastHidden)
        cli.note(`shorter than ${leastHidden} characters: it will not be taken out of logs and results`)
      const client = await cli.client()
      const secret = await client.call('setSecret', { body: { name, value: value.toString('base64') }, repeat: true })
      if (cli.json) cli.printJson(secret)
      else cli.print(`${name} is kept (${value.length} bytes)`)
    })

/** `echo` and editors end a line; of a secret that is one line, the line break is no part. */
const withoutLineBreak = (bytes: Buffer): Buffer => {
  const first = bytes.indexOf(10)
  if (first < 0 || first < bytes.length - 1) return bytes
  return bytes.subarray(0, bytes[first - 1] === 13 ? first - 1 : first)
}

const lsCommand = (cli: Cli): Command =>
  new Command('ls').description('names of your secrets').action(async () => {
    const client = await cli.client()
    const { items } = await client.call('listSecrets')
    if (cli.json) return cli.printJson(items)
    const style = cli.style()
    const rows = items.map(({ name, setAt }) => [name, ago(setAt, style.now)])
    cli.print(
      ...table(
        [
          { title: 'name', flexible: true },
          { title: 'set', right: true },
        ],
        rows,
        style,
      ),
    )
  })

const rmCommand = (cli: Cli): Command =>
  new Command('rm')
    .description('remove secrets; jobs that name them fail when they start')
    .argument('<name...>')
    .action(async (names: string[]) => {
      const client = await cli.client()
      for (const name of names) await client.call('removeSecret', { params: { name } })
      if (cli.json) cli.printJson(names)
      else cli.print(`removed: ${names.join(', ')}`)
    })

const rotateCommand = (cli: Cli): Command =>
  new Command('rotate')
    .description('seal all secrets with a new key, or go on where an earlier rotation was interrupted (operators)')
    .action(async () => {
      const client = await cli.client()
      const rotated = await client.call('rotateSecrets', { answerSeconds: 600 })
      if (cli.json) return cli.printJson(rotated)
      const left = rotated.left > 0 ? `, ${rotated.left} left: repeat it` : ''
      cli.print(`${rotated.resealed} secrets were sealed with the newest key${left}`)
    })
