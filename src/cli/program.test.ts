import { execFileSync } from 'node:child_process'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { testCli } from './testing/testCli.ts'

const cli = testCli(undefined)

test('what is written wrongly is told in a line with what helps, and is exit code 2', async () => {
  for (const [argv, error, help] of [
    [['lss'], "unknown command 'lss' (Did you mean ls?)", 'culm --help'],
    [['ls', '--al'], "unknown option '--al' (Did you mean --all?)", 'culm ls --help'],
    [['show'], "missing required argument 'id'", 'culm show --help'],
    [['submit', '--memory', 'much', '--', 'true'], 'Write it as 2GB', 'culm submit --help'],
    [['submit', '--after', 'w3', '--', 'true'], '"w3" is not the id of a task or job', 'culm submit --help'],
    [['run', 'nowhere.ts'], 'there is no file nowhere.ts', 'culm run --help'],
    [['completion', 'tcsh'], 'bash, zsh, fish', 'culm completion --help'],
  ] as const) {
    const { code, out, err } = await cli.run(...argv)
    expect([code, out], argv.join(' ')).toEqual([2, ''])
    expect(err).toMatch(/^error: .*\nhelp: .*\n$/)
    expect(err).toContain(error)
    expect(err).toContain(`help: ${help}\n`)
    const json = JSON.parse((await cli.run('--json', ...argv)).err)
    expect(json).toMatchObject({ code: 'invalid_input', detail: expect.stringContaining(error), help })
  }
})

test('help and version are answers', async () => {
  for (const argv of [['--help'], ['help', 'submit'], ['submit', '--help']]) {
    const { code, out, err } = await cli.run(...argv)
    expect([code, err]).toEqual([0, ''])
    expect(out).toContain('Usage: culm')
  }
  expect(await cli.run('--version')).toMatchObject({ code: 0, out: '1.2.3\n', err: '' })
})

test('no server is exit code 3: none that is known, or none that answers', async () => {
  const { code, err } = await cli.run('ls')
  expect([code, err]).toEqual([3, expect.stringContaining('culm up')])
  const { port, close } = await listen()
  await close()
  const away = await cli.run('ls', '--json', '--server', `http://127.0.0.1:${port}`)
  expect([away.code, JSON.parse(away.err)]).toMatchObject([3, { code: 'server_away' }])
})

test('the token of the environment goes to the server of the environment only', async () => {
  const asked: (string | undefined)[] = []
  const { port, close } = await listen((authorization) => asked.push(authorization))
  const here = `http://127.0.0.1:${port}`
  const ask = (env: NodeJS.ProcessEnv, ...argv: string[]) => cli.start(['whoami', ...argv], { env }).ended
  await ask({ CULM_SERVER: here, CULM_TOKEN: 'mine' })
  await ask({ CULM_TOKEN: 'mine' }, '--server', here)
  await ask({ CULM_SERVER: 'https://elsewhere.example', CULM_TOKEN: 'mine' }, '--server', here)
  await ask({ CULM_SERVER: here, CULM_TOKEN: 'mine' }, '--token', 'other')
  expect(asked).toEqual(['Bearer mine', 'Bearer mine', undefined, 'Bearer other'])
  await close()
})

test('logs -f waits through a long silence', async () => {
  const chunk = { attempt: 1, stream: 'stdout', offset: 0, text: 'late' }
  const answers = [
    { items: [], next: '0', ended: false },
    { items: [], next: '0', ended: false },
    { items: [chunk], next: '1', ended: false },
    { items: [], next: '1', ended: true },
  ]
  const { port, close } = await listen(
    () => {},
    () => answers.shift(),
  )
  const { code, out } = await cli.run('logs', '-f', 'j1', '--server', `http://127.0.0.1:${port}`)
  expect([code, out, answers]).toEqual([0, 'late', []])
  await close()
})

test('the completion of bash offers verbs, and after a verb its options and choices', async () => {
  const { out } = await cli.run('completion', 'bash')
  const offered = (...words: string[]) => {
    const line = ['culm', ...words].map((word) => `'${word}'`).join(' ')
    const script = `${out}\nCOMP_WORDS=(${line}); COMP_CWORD=${words.length}; _culm; printf '%s\\n' "\${COMPREPLY[@]}"`
    return execFileSync('bash', ['-c', script], { encoding: 'utf8' }).trim().split('\n')
  }
  expect(offered('s')).toEqual(['submit', 'show', 'secret'])
  expect(offered('submit', '--mem')).toEqual(['--memory'])
  expect(offered('--json', 'ls', '--st')).toEqual(['--state'])
  expect(offered('completion', 'f')).toEqual(['fish'])
  expect(offered('logs', '--js')).toEqual(['--json'])
})

test('the completions of zsh and fish name every command, and quote what they say of it', async () => {
  const help = (await cli.run('--help')).out
  const verbs = [...help.matchAll(/^ {2}([a-z]+)[ [<]/gm)].map(([, verb]) => verb)
  expect(verbs.length).toBeGreaterThan(10)
  const zsh = (await cli.run('completion', 'zsh')).out
  const fish = (await cli.run('completion', 'fish')).out
  for (const verb of verbs.filter((verb) => verb !== 'help')) {
    expect(zsh).toContain(`    ${verb}) offered=(`)
    expect(fish).toContain(`-n __fish_use_subcommand -a ${verb} -d '`)
  }
  for (const script of [zsh, fish]) expect(script).toContain("everybody'\\''s")
})

/** A server with a few answers, which refuses everybody when it has none. */
const listen = async (hear: (authorization?: string) => void = () => {}, answer: () => unknown = () => undefined) => {
  const server = createServer(({ headers }, reply) => {
    hear(headers.authorization)
    const body = answer()
    reply.writeHead(body ? 200 : 401, { 'content-type': 'application/json' })
    reply.end(JSON.stringify(body ?? { code: 'unauthenticated', detail: 'who are you?' }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const close = () => new Promise((resolve) => server.close(resolve))
  return { port: (server.address() as AddressInfo).port, close }
}
