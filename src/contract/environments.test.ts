import { expect, test } from 'vitest'
import { effective, environment, layered, problemForPython, problemOf } from './environments.ts'

test('of each setting the nearer one holds; the two kinds of packages are one setting', () => {
  const far = { requirements: 'a==1', initEnv: 'source x', image: 'host' }
  expect(layered({ image: 'b' }, far)).toEqual({ ...far, image: 'b' })
  expect(layered({ conda: '@EXPLICIT' }, far)).toEqual({ conda: '@EXPLICIT', initEnv: 'source x', image: 'host' })
  expect(layered({ requirements: '' }, { conda: '@EXPLICIT' })).toEqual({ requirements: '' })
  expect([layered(undefined, far), layered(far, undefined), layered(undefined, undefined)]).toEqual([
    far,
    far,
    undefined,
  ])
})

test('what was switched off is none', () => {
  expect(effective(layered({ initEnv: '' }, { initEnv: 'source x', image: 'host' }))).toEqual({ image: 'host' })
  expect([effective({ image: ' ' }), effective({}), effective(undefined)]).toEqual([undefined, undefined, undefined])
})

test('an unknown setting is refused', () => {
  expect(environment.safeParse({ container: 'x' }).success).toBe(false)
  expect(environment.safeParse({ image: 'a\nb' }).success).toBe(false)
})

test('lock files are told from lists of wishes', () => {
  const locks = [
    'numpy==1.26.4\n\n# a comment\nscipy == 1.11.1  # another\n',
    'numpy[extra]==1.26.4 ; python_version >= "3.9" \\\n    --hash=sha256:abc \\\n    --hash=sha256:def\n',
    '--index-url https://packages.example/simple\n--no-index\n--find-links /tmp/wheels\nx===1.0+local\n',
    'mine @ https://site.example/mine-1.0-py3-none-any.whl\nhttps://site.example/x-1.whl --hash=sha256:aa\nfile:///wheels/y-1.whl',
    'tool @ git+https://github.com/some/tool@0123456789abcdef0123456789abcdef01234567',
    '\r\n',
  ]
  for (const requirements of locks) expect(problemOf({ requirements }), requirements).toBeUndefined()
  const wishes: [string, RegExp][] = [
    ['numpy', /line 1: numpy: it names no single version/],
    ['a==1\nnumpy>=1.20', /line 2/],
    ['numpy==1.*', /single version/],
    ['numpy==1.2,<2', /single version/],
    ['./local', /single version/],
    ['tool @ git+https://github.com/some/tool@main', /single version/],
    ['-r other.txt', /-r is not taken/],
    ['--constraint=c.txt', /--constraint is not taken/],
    ['-e .', /-e is not taken/],
    ['--index-url https://user:hunter2@pypi.example/simple', /password or token/],
    ['a==1 \\', /^$/],
  ]
  for (const [requirements, says] of wishes) expect(problemOf({ requirements }) ?? '', requirements).toMatch(says)
})

test('the longest text is looked through at once', () => {
  const began = performance.now()
  for (const line of [
    ' '.repeat(499_990),
    'a'.repeat(499_990),
    'a==1;#'.repeat(80_000),
    `a==1 ${'--hash=x '.repeat(50_000)}*`,
  ])
    problemOf({ requirements: `a${line}` })
  expect(performance.now() - began).toBeLessThan(5000)
})

test('of conda an explicit lock file is taken, and not both', () => {
  const conda =
    '# platform: linux-64\n@EXPLICIT\nhttps://conda.anaconda.org/conda-forge/linux-64/python-3.12.conda#abc\n'
  expect(problemOf({ conda })).toBeUndefined()
  expect(problemOf({ conda: 'name: x\ndependencies: [python]' })).toMatch(/conda list --explicit/)
  expect(problemOf({ conda, requirements: 'a==1' })).toMatch(/one of them/)
  expect(problemOf({ conda, requirements: ' ' })).toBeUndefined()
})

test('of a lock file of conda it is known whether its Python can run functions', () => {
  const lock = (version: string) =>
    `@EXPLICIT\nhttps://conda.example/noarch/python-dateutil-2.9.0-1.conda\nhttps://conda.example/linux-64/python-${version}-h1_0.conda\n`
  expect(['3.9.0', '3.14.1', '4.0.0'].map((version) => problemForPython({ conda: lock(version) }))).toEqual([
    undefined,
    undefined,
    undefined,
  ])
  for (const version of ['3.8.20', '2.7.18'])
    expect(problemForPython({ conda: lock(version) })).toMatch(/conda has Python \d\.\d, and works need 3\.9 or later/)
  expect(problemForPython({ conda: '@EXPLICIT\n' })).toBeUndefined()
  expect(problemForPython({ image: 'host' })).toBeUndefined()
})
