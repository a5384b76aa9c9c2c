import { spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { inShell, setUpFailed, splitLines } from './shell.ts'

const scratch = mkdtempSync(join(tmpdir(), 'culm-shell-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

const file = (name: string, text: string): string => {
  const path = join(scratch, name)
  writeFileSync(path, text)
  chmodSync(path, 0o755)
  return path
}

/** What running `sh -c payload` in this environment says, line by line, and its exit code. */
const ran = (
  payload: string,
  environment: Parameters<typeof inShell>[1],
  activation = '',
  path = process.env.PATH!,
) => {
  const [program, ...args] = inShell(['/bin/sh', '-c', payload], environment, activation)
  const { stdout, stderr, status, signal } = spawnSync(program!, args, {
    env: { PATH: path, HOME: scratch },
    cwd: scratch,
  })
  return { said: stdout.toString().split('\n').slice(0, -1), err: stderr.toString(), status, signal }
}

const setup = file('setup.sh', 'export MINE="set with $# words"\nmine_works() { echo "in a function"; }\n')
/** Stands for a container runtime: says that it was there, and what it started. */
const prefix = file('runs-in', '#!/bin/sh\necho "prefix $1"; shift; INSIDE=yes exec "$@"\n')

test('lines are run before, in the shell that the payload is started from, and see none of its arguments', () => {
  expect(ran('echo "$MINE"', { initEnv: `. ${setup}` }).said).toEqual(['set with 0 words'])
  expect(ran('echo "$MINE"', { initEnv: `source ${setup}\nexport MINE="$MINE, twice"\n` }).said).toEqual([
    'set with 0 words, twice',
  ])
  expect(ran('echo "$A$B"', { initEnv: 'export A=1; export B=2;' }).said).toEqual(['12'])
  expect(ran('echo x', { initEnv: `. ${setup}; mine_works` }).said).toEqual(['in a function', 'x'])
})

test('a last line that is a program starts the payload; one that ends with ; is a line like any other', () => {
  expect(ran('echo "$INSIDE $MINE"', { initEnv: `. ${setup}; ${prefix} img ` }).said).toEqual([
    'prefix img',
    'yes set with 0 words',
  ])
  expect(ran('echo "[$INSIDE]"', { initEnv: `${prefix} img echo started;` }).said).toEqual([
    'prefix img',
    'started',
    '[]',
  ])
  expect(ran('echo "$FOO"', { initEnv: 'FOO=bar env' }).said).toEqual(['bar'])
  expect(ran('echo $0', { initEnv: `X=${prefix}\n"$X" img\n` }).said).toEqual(['prefix img', '/bin/sh'])
})

test('lines are told apart outside of quotes and parentheses only', () => {
  const cases: [string, string, string][] = [
    ['a; b', 'a;', 'b'],
    ['a\nb\n', 'a\n', 'b'],
    ['a;', 'a;', ''],
    ['echo "x; y"', '', 'echo "x; y"'],
    ["echo 'x\ny' z", '', "echo 'x\ny' z"],
    ['a \\; b', '', 'a \\; b'],
    ['( a; b )', '', '( a; b )'],
    ['for x in a b; do echo $x; done', 'for x in a b; do echo $x; done', ''],
    ['if a; then\n b\nfi', 'if a; then\n b\nfi', ''],
    ['f() {\n a; b\n}', 'f() {\n a; b\n}', ''],
    ['a # not; this\nb', 'a # not; this\n', 'b'],
    ['a\n# the end', 'a\n# the end', ''],
    [' ', '', ''],
  ]
  for (const [text, before, last] of cases) expect(splitLines(text), text).toEqual({ before, last })
  expect(ran('echo done', { initEnv: 'for x in 1 2; do\n  echo "$x;"\ndone' }).said).toEqual(['1;', '2;', 'done'])
})

test('it ends as the payload ends, whatever is run after it', () => {
  const after = { cleanEnv: 'echo cleaned; exit 7', postScript: 'echo posted\nexit 8' }
  expect(ran('echo ran; exit 3', after)).toMatchObject({ said: ['ran', 'posted', 'cleaned'], status: 3 })
  expect(ran('kill -SEGV $$', after)).toMatchObject({ said: ['posted', 'cleaned'], status: 139 })
  expect(ran('exit 0', { cleanEnv: 'no ( syntax', postScript: 'no ( syntax' }).status).toBe(0)
  expect(ran('exit 3', { initEnv: 'set -e', ...after })).toMatchObject({ said: ['posted', 'cleaned'], status: 3 })
  expect(ran('exit 4', { initEnv: 'export A=1' }).status).toBe(4)
})

test('what is run after is run where it belongs: the script in what started the payload, the cleaning around it', () => {
  const environment = {
    initEnv: `. ${setup}; ${prefix} img`,
    postScript: 'echo "post $INSIDE"',
    cleanEnv: 'echo "clean [$INSIDE]"; mine_works',
  }
  expect(ran('echo ran', environment).said).toEqual(['prefix img', 'ran', 'post yes', 'clean []', 'in a function'])
})

test('a set-up that fails is told from a payload that fails', () => {
  for (const initEnv of [
    '. /no/such/file',
    'false',
    'exit 5',
    'no_such_command_here',
    'a b ( c',
    `false; ${prefix} img`,
  ]) {
    const { said, err, status } = ran('echo ran', { initEnv })
    expect([said, setUpFailed(status, err)], initEnv).toEqual([[], true])
  }
  const { status, err } = ran('exit 203', { initEnv: 'true;' })
  expect(setUpFailed(status, err)).toBe(false)
  expect(ran('echo ran', { initEnv: 'false || true;' }).said).toEqual(['ran'])
})

test('it all works with sh alone', () => {
  const bin = mkdtempSync(join(scratch, 'bin-'))
  for (const name of ['sh', 'env'])
    file(`${bin.slice(scratch.length + 1)}/${name}`, `#!/bin/sh\nexec /bin/${name} "$@"\n`)
  const environment = { initEnv: `. ${setup}; ${prefix} img`, cleanEnv: 'echo clean', postScript: 'echo post' }
  expect(ran('echo "$MINE"', environment, '', bin).said).toEqual(['prefix img', 'set with 0 words', 'post', 'clean'])
  expect(ran('echo x', { initEnv: '. /no/such/file' }, '', bin).status).toBe(203)
})

test('what activates packages is run where the payload runs', () => {
  expect(ran('echo "$ACTIVE $INSIDE"', { initEnv: `${prefix} img` }, 'export ACTIVE=yes').said).toEqual([
    'prefix img',
    'yes yes',
  ])
  expect(ran('echo "$ACTIVE"', {}, 'export ACTIVE=yes').said).toEqual(['yes'])
})

test('words travel as they are', () => {
  const [program, ...args] = inShell(
    ['printf', '%s|', `it's`, '$x `y`', 'a\nb', ''],
    { initEnv: 'true;', postScript: ':' },
    ':',
  )
  expect(spawnSync(program!, args).stdout.toString()).toBe(`it's|$x \`y\`|a\nb||`)
})
