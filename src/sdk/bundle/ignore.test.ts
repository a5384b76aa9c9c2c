import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import { describeNeeding } from '../../../test/support/needs.ts'
import { IgnoreFiles, ignoreFile, ignoreFilesOf } from './ignore.ts'

type Tree = { name: string; files: Record<string, string>; ignored: string[]; kept: string[] }

/** The vectors that hold the Python client to the same: python/tests/test_ignore.py. */
const trees: Tree[] = JSON.parse(readFileSync('fixtures/ignore.json', 'utf8')).trees

const scratch = mkdtempSync(join(tmpdir(), 'culm-ignore-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

let folders = 0
const freshFolder = (files: Record<string, string>): string => {
  const folder = join(scratch, String(++folders))
  mkdirSync(folder)
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), text)
  }
  return folder
}

const isIgnored = (ignored: IgnoreFiles, path: string): boolean =>
  ignored.lineFor(path.replace(/\/$/, ''), path.endsWith('/')) !== undefined

const hasGit = spawnSync('git', ['--version']).status === 0

/** A repository of git with these files and folders (those end with a slash), and what it says of them under any ignore files. */
const gitTree = (paths: readonly string[]) => {
  const folder = freshFolder({})
  for (const path of paths) {
    mkdirSync(join(folder, isFolder(path) ? path : dirname(path)), { recursive: true })
    if (!isFolder(path)) writeFileSync(join(folder, path), '')
  }
  const asked = paths.map((path) => path.replace(/\/$/, ''))
  const env = { PATH: process.env.PATH, HOME: scratch, GIT_CONFIG_NOSYSTEM: '1', GIT_CONFIG_GLOBAL: '/dev/null' }
  const git = (args: string[], input = '') => {
    const { stdout, status } = spawnSync('git', args, { cwd: folder, env, input })
    if (status !== 0 && status !== 1) throw new Error(`git ${args[0]} ended with ${status}`) // 1: none is ignored
    return stdout.toString()
  }
  git(['init', '--quiet'])
  return {
    ignored: (files: Record<string, string>): string[] => {
      for (const [path, text] of Object.entries(files))
        writeFileSync(join(folder, path.replace(ignoreFile, '.gitignore')), text)
      const told = new Set(git(['check-ignore', '--no-index', '--stdin', '-z'], asked.join('\0')).split('\0'))
      return paths.filter((_, i) => told.has(asked[i]!))
    },
  }
}

/**
 * `a` with two stars and a slash behind it. gitignore(5) takes such stars for one, and so do we; git (2.39) compares
 * what is before the first star by itself, so that to its matcher the stars begin the pattern, and span folders.
 */
const starsBehindAPrefix = /[^/*]\*{2,}\//

const isFolder = (path: string): boolean => path.endsWith('/')

test.each(trees.map((tree) => [tree.name, tree] as const))('ignore files: %s', (_, { files, ignored, kept }) => {
  const found = new IgnoreFiles(freshFolder(files))
  expect(ignored.filter((path) => !isIgnored(found, path))).toEqual([])
  expect(kept.filter((path) => isIgnored(found, path))).toEqual([])
})

test('the line that leaves something out is named', () => {
  const ignored = new IgnoreFiles(freshFolder({ [ignoreFile]: 'a\n\n*.txt\n', [`b/${ignoreFile}`]: '\n/c/\n' }))
  expect(ignored.lineFor('x.txt')).toEqual({ file: ignoreFile, line: 3 })
  expect(ignored.lineFor('b/c/d/e')).toEqual({ file: `b/${ignoreFile}`, line: 2 })
  expect(ignored.lineFor('b/d')).toBeUndefined()
})

test('a source falls under the ignore files of its package, or of its folder when it is in none', () => {
  const folder = freshFolder({ 'p/package.json': '{}', [`p/${ignoreFile}`]: 'keys.ts', 'p/src/keys.ts': '' })
  const { ignored, path } = ignoreFilesOf(join(folder, 'p/src/keys.ts'))
  expect([path, ignored.lineFor(path)]).toEqual(['src/keys.ts', { file: ignoreFile, line: 1 }])
  expect(ignoreFilesOf(join(folder, 'alone.ts')).path).toBe('alone.ts')
})

describeNeeding(hasGit ? null : 'git is not installed')('git', () => {
  test('leaves out what the vectors say', () => {
    for (const { name, files, ignored, kept } of trees)
      expect(gitTree([...ignored, ...kept]).ignored(files), name).toEqual(ignored)
  })

  test('leaves out what we do for any pattern', () => {
    const piece = fc.constantFrom(...'ab.*?/[]!-\\ '.split(''), '**', '[ab]', '[!a]', '[a-c]', '[[:alpha:]]')
    const line = fc
      .array(piece, { minLength: 1, maxLength: 6 })
      .map((pieces) => pieces.join(''))
      .filter((pattern) => !starsBehindAPrefix.test(pattern))
    const tree = gitTree(allPaths)
    const folder = freshFolder({})
    fc.assert(
      fc.property(fc.array(line, { minLength: 1, maxLength: 4 }), (lines) => {
        const text = lines.join('\n')
        writeFileSync(join(folder, ignoreFile), text)
        const ours = new IgnoreFiles(folder)
        expect(allPaths.filter((path) => isIgnored(ours, path))).toEqual(tree.ignored({ [ignoreFile]: text }))
      }),
      { numRuns: 100 },
    )
  })
})

/** Three floors of folders, with files in each of them. */
const names = ['a', 'b', 'ab', 'abc', '.a', 'a.b', '*', '[', ']', '-', '!', 'a b']
const allPaths = names.flatMap((top) => [
  `f${top}`,
  `${top}/`,
  ...names.slice(0, 5).flatMap((middle) => [`${top}/${middle}/`, `${top}/${middle}/a`, `${top}/${middle}/ab/`]),
])
