import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, expect, test } from 'vitest'
import { files } from '../../src/main/files.ts'
import { describeNeeding } from '../support/needs.ts'
import { culm, freshFolder, type Running, run } from '../support/processes.ts'

const execute = promisify(execFile)

/**
 * Runs what the tutorial and the guides show, as a reader would: one folder for each page, its blocks of Python and shell in their order, with what pip installs and no
 * other Node (the server of the pages that start none is this checkout's). The words after the language say what is done with a block:
 *
 *     ```python                  is run                       ```python file=cut.py   is saved under that name
 *     ```sh                      is run, and has to succeed   ```sh until="It serves" goes on beside the others once it has said that
 *     ```python sketch           is compiled only: a part of something     ```python theirs   is left alone: the program of another system
 *     ```text                    what the block before has printed; `…` stands for anything in a line, a line of it alone for any lines
 */
type Block = { language: string; words: string[]; text: string; line: number }

const known = /^(?:sketch|theirs|file=[\w./-]+|until="[^"]+")$/

const blocksOf = (page: string): Block[] =>
  [...page.matchAll(/^```(\w+) *(.*)\n([\s\S]*?)^```$/gm)].map(([, language, words, text], i, all) => ({
    language: language!,
    words: words!.match(/\w+="[^"]*"|\S+/g) ?? [],
    text: text!,
    line: page.slice(0, all[i]!.index).split('\n').length,
  }))

const named = ({ words }: Block, name: string): string | undefined =>
  words
    .find((word) => word.startsWith(`${name}=`))
    ?.slice(name.length + 1)
    .replaceAll('"', '')

/** What is shown, as a pattern of what is printed. */
const patternOf = (shown: string): RegExp => {
  const lines = shown.trimEnd().split('\n')
  const escaped = lines.map((line) =>
    line === '…'
      ? '(?:.*\\n)*?'
      : `${line
          .split('…')
          .map((part) => part.trimEnd().replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
          .join('.*')} *\\n`,
  )
  return new RegExp(`^${escaped.join('')}$`)
}

const python = path.join(files.root, '.cache/venv/bin/python')
const nodeWheels = path.join(files.root, '.cache/wheels')
const missing =
  existsSync(python) && existsSync(nodeWheels) ? null : 'scripts/test-setup.sh brings what pip is to install'

const folders = ['docs/tutorial', 'docs/guide']
const pages = (
  await Promise.all(folders.map(async (folder) => (await readdir(folder)).map((name) => `${folder}/${name}`)))
)
  .flat()
  .filter((page) => page.endsWith('.md'))
const textOf = (page: string) => readFile(path.join(files.root, page), 'utf8')

test('every block of Python and shell says in known words what is to be done with it', async () => {
  for (const page of pages)
    for (const { language, words, line } of blocksOf(await textOf(page)))
      if (language === 'python' || language === 'sh')
        expect(
          words.filter((word) => !known.test(word)),
          `${page}:${line}`,
        ).toEqual([])
})

describeNeeding(missing)('as a reader would run it', () => {
  let env: NodeJS.ProcessEnv
  let venv: string
  beforeAll(async () => {
    const wheels = await freshFolder('wheels')
    const script = path.join(files.root, 'scripts/pythonWheels.mjs')
    const offline = ['--no-build-isolation', '--no-index']
    await execute(process.execPath, [script, '--no-build', '--python', python, '--out', wheels, '--', ...offline])
    // What a registry would have, and whatever else this machine has but Node.
    const tools = await freshFolder('tools')
    for (const name of await readdir('/usr/bin'))
      if (!/^(node|nodejs|npm|npx|culm)$/.test(name)) await symlink(`/usr/bin/${name}`, path.join(tools, name))
    const python3 = (await execute('python3', ['-c', 'import sys; print(sys.executable)'])).stdout.trim()
    env = { PATH: `${path.dirname(python3)}:${tools}`, PIP_NO_INDEX: '1', PIP_FIND_LINKS: `${wheels} ${nodeWheels}` }
    venv = path.join(await freshFolder('venv'), 'venv')
    await execute('python3', ['-m', 'venv', venv], { env })
    await execute(path.join(venv, 'bin/pip'), ['install', '--quiet', 'culm'], { env })
    const home = path.join(await freshFolder(), 'culm')
    env = { ...env, CULM_HOME: home, HOME: home }
    await culm(['up', '--slots', '2'], { CULM_HOME: home }).says('It serves')
  }, 600_000)

  /** A page that starts a server begins with nothing, the others as the first page of the tutorial ends. */
  const surroundings = async (blocks: Block[]): Promise<{ folder: string; own: NodeJS.ProcessEnv }> => {
    const folder = await freshFolder('page')
    if (!blocks.some((block) => named(block, 'until')))
      return { folder, own: { ...env, PATH: `${venv}/bin:${env.PATH}` } }
    const home = path.join(await freshFolder(), 'culm')
    return { folder, own: { ...env, CULM_HOME: home, HOME: home } }
  }

  const runBlock = async (
    block: Block,
    number: number,
    folder: string,
    own: NodeJS.ProcessEnv,
  ): Promise<Running | undefined> => {
    const { language, text } = block
    const name = named(block, 'file') ?? (language === 'python' ? `block${number}.py` : `block${number}.sh`)
    await mkdir(path.dirname(path.join(folder, name)), { recursive: true })
    await writeFile(path.join(folder, name), text)
    if (named(block, 'file')) return undefined
    // An environment that the page has made is activated from then on.
    const made = path.join(folder, 'culm-env/bin')
    const active = existsSync(made) ? { ...own, PATH: `${made}:${own.PATH}` } : own
    if (language === 'python') return run('python', [name], active, folder)
    // What goes on is one command, which takes the place of its shell: so it hears the signal that ends it.
    return run('bash', named(block, 'until') ? ['-c', `exec ${text}`] : ['-eu', name], active, folder)
  }

  for (const page of pages)
    test(page, async () => {
      const blocks = blocksOf(await textOf(page))
      const { folder, own } = await surroundings(blocks)
      for (const [number, block] of blocks.entries()) {
        const at = `${page}:${block.line}`
        if (!/^(python|sh)$/.test(block.language) || block.words.includes('theirs')) continue
        if (block.words.includes('sketch')) {
          await writeFile(path.join(folder, 'sketch'), block.text)
          if (block.language === 'python')
            await execute(python, ['-c', 'import ast; ast.parse(open("sketch").read())'], { cwd: folder })
          continue
        }
        const running = await runBlock(block, number, folder, own)
        const until = named(block, 'until')
        if (!running) continue
        if (until) {
          await running.says(until)
          continue
        }
        expect(await running.ended, `${at} printed:\n${running.printed()}`).toBe(0)
        const next = blocks[number + 1]
        if (next?.language === 'text') expect(running.printedOut(), at).toMatch(patternOf(next.text))
      }
    }, 300_000)
})
