import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, expect, test } from 'vitest'
import { files } from '../../src/main/files.ts'
import { describeNeeding } from '../support/needs.ts'
import { type Block, blocksOf, named, pagesIn, textOf } from '../support/pages.ts'
import { freshFolder, type Running, run } from '../support/processes.ts'
import { makeWheel } from '../support/wheel.ts'

const execute = promisify(execFile)

/**
 * Runs all that the tutorial, the guides and the front pages show, as a reader would who goes through them on one machine. The first page of the tutorial installs Culm by pip,
 * without any other Node, and starts a server; every other page begins where that one has ended, in a folder of its own. The words after the language say what is done
 * with a block:
 *
 *     ```python  ```ts  ```sh      is run, by python, `culm run` and bash, and has to succeed
 *     ```python file=cut.py        is saved under that name instead (of any language)
 *     ```python cell               is run as a cell of a notebook
 *     ```sh until="It serves"      goes on beside the others once it has said that
 *     ```sh after="Ctrl-C"         is run when what was started last of those was interrupted, and has ended
 *     ```sh not-run="why"          is left alone, for that reason
 *     ```text                      what the block before has printed. `…` stands for anything in a line, a line of it alone for any lines; an id (w1, t2, j7) for the one
 *                                  that was printed there, in the commands and texts that follow too
 */
const known = /^(?:cell|file=[\w./-]+|(?:until|not-run)="[^"]+"|after="Ctrl-C")$/
const languages = ['python', 'ts', 'sh', 'text']
const first = 'docs/tutorial/first-function.md'
const tutorial = [first, 'docs/tutorial/first-loop.md', 'docs/tutorial/first-remote-site.md']
const pages = [...tutorial, ...(await pagesIn('docs/guide')), 'README.md', 'python/README.md']
const blocks = new Map(await Promise.all(pages.map(async (page) => [page, blocksOf(await textOf(page))] as const)))

const isRun = (block: Block): boolean =>
  block.language !== 'text' && named(block, 'file') === undefined && named(block, 'not-run') === undefined

test('every page of the tutorial is in its order here', async () => {
  expect([...tutorial].sort()).toEqual(await pagesIn('docs/tutorial'))
})

test('every block says in known words what is to be done with it, and every text follows what prints it', () => {
  for (const [page, all] of blocks)
    for (const [i, block] of all.entries()) {
      const at = `${page}:${block.line}`
      expect(languages, at).toContain(block.language)
      expect(
        block.words.filter((word) => !known.test(word)),
        at,
      ).toEqual([])
      if (block.language === 'text') expect(i > 0 && isRun(all[i - 1]!), `${at} follows what is run`).toBe(true)
    }
})

test('few blocks are not run, and each says why', () => {
  const reasons = [...blocks.values()].flat().flatMap((block) => named(block, 'not-run') ?? [])
  expect(reasons.length).toBeLessThanOrEqual(6)
  for (const reason of reasons) expect(reason.split(' ').length, reason).toBeGreaterThan(2)
})

const python = path.join(files.root, '.cache/venv/bin/python')
const nodeWheels = path.join(files.root, '.cache/wheels')
const missing =
  [python, nodeWheels, '/usr/bin/curl'].find((place) => !existsSync(place)) === undefined
    ? null
    : 'scripts/test-setup.sh brings what pip is to install, notebooks and curl'

/** Whoever reads a page. `ids`: what those that the page shows are here; what they say, when left out. */
type Reader = { folder: string; env: NodeJS.ProcessEnv; ids?: Map<string, string> }

describeNeeding(missing)('as a reader would run it', () => {
  let env: NodeJS.ProcessEnv
  beforeAll(async () => {
    env = await makeMachine()
  }, 600_000)

  /** The folder of the first page, once that was gone through. What it has started stays. */
  const begin = (): Promise<string> => {
    begun ??= freshFolder('page').then((folder) => goThrough(first, { folder, env }).then(() => folder))
    return begun
  }
  let begun: Promise<string> | undefined

  test(first, () => begin(), 300_000)

  for (const page of pages.slice(1))
    test(page, async () => {
      const PATH = `${await begin()}/culm-env/bin:${env.PATH}`
      const reader = { folder: await freshFolder('page'), env: { ...env, PATH }, ids: new Map() }
      for (const running of await goThrough(page, reader)) await running.kill('SIGINT')
    }, 300_000)
})

/** @returns what goes on at the end of the page. */
const goThrough = async (page: string, reader: Reader): Promise<Running[]> => {
  const beside: Running[] = []
  const all = blocks.get(page)!
  for (const [i, block] of all.entries()) {
    const at = `${page}:${block.line}`
    const name = await save(block, i, reader)
    if (!isRun(block)) continue
    if (named(block, 'after') !== undefined) await beside.pop()!.kill('SIGINT')
    const running = start(block, name, reader)
    const until = named(block, 'until')
    if (until !== undefined) {
      await running.says(until)
      beside.push(running)
    } else {
      expect(await running.ended, `${at} printed:\n${running.printed()}`).toBe(0)
      const shown = all[i + 1]
      if (shown?.language === 'text') compare(running.printedOut(), shown.text, at, reader)
    }
  }
  return beside
}

const save = async (block: Block, number: number, { folder, ids }: Reader): Promise<string> => {
  const { language, text } = block
  const name = named(block, 'file') ?? `block${number}.${language === 'python' ? 'py' : language}`
  const isCommand = language === 'sh'
  await writeFile(path.join(folder, name), isCommand ? text.replace(anyId, (id) => ids?.get(id) ?? id) : text)
  return name
}

const start = (block: Block, name: string, { folder, env }: Reader): Running => {
  // An environment that the page has made is activated from then on.
  const made = path.join(folder, 'culm-env/bin')
  const active = existsSync(made) ? { ...env, PATH: `${made}:${env.PATH}` } : env
  const go = (program: string, ...args: string[]) => run(program, args, active, folder)
  if (block.words.includes('cell')) return go(python, '-c', asCell, files.pythonPath, name)
  if (block.language === 'python') return go('python', name)
  if (block.language === 'ts') return go('culm', 'run', name)
  // What goes on is one command, which takes the place of its shell: so it hears the signal that ends it.
  return named(block, 'until') === undefined ? go('bash', '-eu', name) : go('bash', '-c', `exec ${block.text}`)
}

const asCell = `import sys
folder, name = sys.argv[1:]
sys.path[:0] = [folder]
from IPython.core.interactiveshell import InteractiveShell
InteractiveShell.instance().run_cell(open(name).read()).raise_error()`

const compare = (printed: string, shown: string, at: string, { ids }: Reader): void => {
  const pattern = patternOf(shown, ids)
  expect(printed, at).toMatch(pattern)
  for (const [id, real] of Object.entries(pattern.exec(printed)?.groups ?? {})) ids?.set(id, real)
}

const anyId = /\b[wtjpk]\d+\b/g

/** What is shown, as a pattern of what is printed. Columns are as wide as what stands in them, and ids that were not seen before are groups of the pattern. */
const patternOf = (shown: string, ids?: ReadonlyMap<string, string>): RegExp => {
  const named = new Set<string>()
  const idPattern = (id: string): string => {
    const real = ids ? ids.get(id) : id
    if (real !== undefined) return real
    if (named.has(id)) return `\\k<${id}>`
    named.add(id)
    return `(?<${id}>${id[0]}\\d+)`
  }
  const linePattern = (line: string): string =>
    line
      .split(/( *… *| +|\b[wtjpk]\d+\b)/)
      .map((part, i) => {
        if (i % 2 === 0) return part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
        return part.includes('…') ? '.*' : part.trim() === '' ? ' +' : idPattern(part)
      })
      .join('')
  const lines = shown.trimEnd().split('\n')
  return new RegExp(
    `^${lines.map((line) => (line === '…' ? '(?:.*\\n)*?' : `${linePattern(line)} *\\n`)).join('')}\\s*$`,
  )
}

/** This machine with what a registry would have and nothing of Node; and another one, a home of its own, to which `ssh` leads. @returns the environment of its reader. */
const makeMachine = async (): Promise<NodeJS.ProcessEnv> => {
  const registry = await makeRegistry()
  const python3 = (await execute('python3', ['-c', 'import sys; print(sys.executable)'])).stdout.trim()
  const tools = await freshFolder('tools')
  for (const name of await readdir('/usr/bin'))
    if (!/^(node|nodejs|npm|npx|culm|ssh)$/.test(name)) await symlink(`/usr/bin/${name}`, path.join(tools, name))
  const PATH = `${path.dirname(python3)}:${tools}`
  await writeFile(path.join(tools, 'ssh'), sshTo(await makeHome(registry), PATH), { mode: 0o755 })
  return { PATH, HOME: await makeHome(registry) }
}

const makeRegistry = async (): Promise<string> => {
  const registry = await freshFolder('registry')
  const script = path.join(files.root, 'scripts/pythonWheels.mjs')
  const offline = ['--no-build-isolation', '--no-index']
  await execute(process.execPath, [script, '--no-build', '--python', python, '--out', registry, '--', ...offline])
  for (const name of await readdir(nodeWheels)) await symlink(path.join(nodeWheels, name), path.join(registry, name))
  makeWheel(registry, 'hepunits', '2.3.5', 'MeV, GeV = 1.0, 1000.0\n')
  return registry
}

/** The home of somebody whose pip, in his jobs too, knows that registry and no other. */
const makeHome = async (registry: string): Promise<string> => {
  const home = await freshFolder()
  await mkdir(path.join(home, '.config/pip'), { recursive: true })
  const settings = `[global]\nno-index = true\nfind-links = ${registry}\ndisable-pip-version-check = true\n`
  await writeFile(path.join(home, '.config/pip/pip.conf'), settings)
  return home
}

/** Runs what it is given there, as its login would. Both machines have one network, so a tunnel of one port to the same is there already. */
const sshTo = (home: string, PATH: string): string => `#!/bin/bash
while [[ $1 == -* ]]; do
  if [[ $1 == -R ]]; then
    [[ $2 =~ ^([0-9]+):127.0.0.1:([0-9]+)$ && \${BASH_REMATCH[1]} == \${BASH_REMATCH[2]} ]] || exit 255
    shift
  fi
  shift
done
cd '${home}' && exec env -i HOME='${home}' PATH='${PATH}' LANG=C.UTF-8 sh -c "\${*:2}"
`
