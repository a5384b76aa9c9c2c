import { spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { sleep } from '../lib/clock.ts'
import type { Cli } from './cli.ts'
import { subjectOf } from './ids.ts'

/** How long a browser that is already open may take to read a file, ms. */
const readingMs = 3000

export const openCommand = (cli: Cli): Command =>
  new Command('open')
    .description('open the page of the server in a browser')
    .argument('[id]', 'w12, t34 or j56: what to show there')
    .option('-p, --print', 'print its address only')
    .action(async (id: string | undefined, { print }: { print?: boolean }) => {
      const { url, token } = await cli.server()
      const address = pageAddress(url, token, id && subjectOf(id).id)
      if (cli.json) return cli.printJson({ url: address })
      cli.print(address)
      const opener = openerOf(cli)
      if (!print && opener) await openIn(opener, address)
    })

/** The token is in the fragment, which browsers send to nobody. */
const pageAddress = (url: string, token: string | null, id: string | undefined): string => {
  const fragment = new URLSearchParams({ ...(token ? { token } : {}), ...(id ? { id } : {}) }).toString()
  return new URL(fragment === '' ? '/' : `/#${fragment}`, url).href
}

/** What opens an address where a person sits: nothing in a script, and nothing on a machine without a display. */
const openerOf = ({ world: { stdout, env } }: Cli): string | undefined => {
  if (!stdout.isTTY) return undefined
  if (process.platform === 'darwin') return 'open'
  return env.DISPLAY || env.WAYLAND_DISPLAY ? 'xdg-open' : undefined
}

/** By way of a file that its user alone can read: everybody on a machine sees the arguments of a process, and the token is in the address. */
const openIn = async (opener: string, address: string): Promise<void> => {
  const folder = await mkdtemp(join(tmpdir(), 'culm-open-'))
  const file = join(folder, 'culm.html')
  await writeFile(
    file,
    `<!doctype html><meta http-equiv="refresh" content="0; url=${address.replaceAll('&', '&amp;')}">`,
    { mode: 0o600 },
  )
  spawn(opener, [file], { stdio: 'ignore', detached: true })
    .on('error', () => {})
    .unref()
  await sleep(readingMs)
  await rm(folder, { recursive: true, force: true })
}
