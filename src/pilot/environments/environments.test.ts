import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, expect, test, vi } from 'vitest'
import { describeNeeding } from '../../../test/support/needs.ts'
import { noPodman, testPodman } from '../../../test/support/podman.ts'
import { makeRootfs } from '../../../test/support/rootfs.ts'
import { makeWheel } from '../../../test/support/wheel.ts'
import { bubblewrapRuntime } from '../../adapters/runtime/bubblewrap.ts'
import { podmanRuntime } from '../../adapters/runtime/podman.ts'
import type { Environment } from '../../contract/environments.ts'
import type { Payload } from '../../contract/tasks.ts'
import { cancelGraceMs } from '../attempts.ts'
import { FakeServer } from '../testing/fakeServer.ts'
import { lives, pilotFixture, until, valueIn } from '../testing/pilotFixture.ts'
import { startTestPilot } from '../testing/startTestPilot.ts'

vi.setConfig({ testTimeout: 240_000 })

const pilots = pilotFixture()

/** An installation takes its time, ms. */
const patienceMs = 120_000

/** A package index of one folder, with a package that says its version. */
let index: string
beforeEach(() => {
  pilots.server.patienceMs = patienceMs
  index = join(pilots.scratch, 'index')
  for (const version of ['1.0', '2.0']) makeWheel(index, 'tinypackage', version, `version = '${version}'\n`)
})
const lockOf = (version: string): string => `--no-index\n--find-links ${index}\ntinypackage==${version}\n`

const python = (body: string, ...imports: string[]): Payload => ({
  kind: 'function',
  bundle: pilots.server.bundle(
    { 'm.py': `import os, sys\n${imports.join('\n')}\ndef f(*args):\n    ${body}\n` },
    'python',
  ),
  ...{ module: 'm', export: 'f', language: 'python' },
})
const sh = (script: string): Payload => ({ kind: 'command', command: ['sh', '-c', script] })

const submit = (payload: Payload, environment?: Environment, more: object = {}) =>
  pilots.server.submit({ payload, environment, ...more })
const resultOf = async (payload: Payload, environment?: Environment) =>
  valueIn(await pilots.server.ended(submit(payload, environment)))
const logOf = (jobId: string): string =>
  `${pilots.server.output.get(`${jobId}:stdout`) ?? ''}${pilots.server.output.get(`${jobId}:stderr`) ?? ''}`
/** What a command has printed, once it has ended. */
const saidBy = async (script: string, environment?: Environment): Promise<string> => {
  const jobId = submit(sh(`${script}; echo :end`), environment)
  await pilots.server.said(jobId, 'stdout', ':end')
  await pilots.server.ended(jobId)
  return pilots.server.output.get(`${jobId}:stdout`)!
}
/** Output may come after the end of its job. */
const logged = (jobId: string, words: RegExp) =>
  until(`${words} in the log of ${jobId}`, () => words.test(logOf(jobId)))
const expectInstallations = async (n: number, ...servers: FakeServer[]): Promise<void> => {
  await until(`${n} installations`, () => installations(...servers) >= n)
  expect(installations(...servers)).toBe(n)
}
const installations = (...servers: FakeServer[]): number =>
  (servers.length > 0 ? servers : [pilots.server])
    .flatMap(({ output }) => [...output.values()])
    .join('')
    .split('Successfully installed tinypackage').length - 1

const whoseVersion = 'return [tinypackage.version, sys.prefix, os.getpid()]'

test('packages are installed once, seen by the first job that wants them, and kept for other jobs and later pilots', async () => {
  const pilot = await pilots.start()
  const payload = python(whoseVersion, 'import tinypackage')
  const first = submit(payload, { requirements: lockOf('1.0') })
  const [version, prefix, pid] = valueIn(await pilots.server.ended(first)) as [string, string, number]
  expect(version).toBe('1.0')
  expect(prefix.startsWith(join(pilot.folder, 'environments/u1'))).toBe(true)
  await logged(first, /\[culm\] makes an environment for Python 3.*Successfully installed tinypackage-1\.0/s)
  // A warm runner of the same environment takes the next, and one of its own another lock file.
  expect(await resultOf(payload, { requirements: lockOf('1.0') })).toEqual([version, prefix, pid])
  expect(((await resultOf(payload, { requirements: lockOf('2.0') })) as string[])[0]).toBe('2.0')
  await expectInstallations(2)

  pilot.drain()
  await pilot.ended
  await pilots.start({ folder: pilot.folder })
  expect(((await resultOf(payload, { requirements: lockOf('1.0') })) as string[]).slice(0, 2)).toEqual([
    version,
    prefix,
  ])
  await expectInstallations(2)
})

test('a task without an environment has the interpreter and the process that it always had', async () => {
  await pilots.start()
  const payload = python('return [sys.prefix, os.getpid()]')
  const plain = (await resultOf(payload)) as [string, number]
  const own = (await resultOf(payload, { requirements: lockOf('1.0') })) as [string, number]
  expect(own[0]).not.toBe(plain[0])
  expect(await resultOf(payload)).toEqual(plain)
})

test('commands find the programs of the packages first', async () => {
  await pilots.start()
  const said = await saidBy('python3 -c "import tinypackage; print(tinypackage.version)"; echo $VIRTUAL_ENV', {
    requirements: lockOf('2.0'),
  })
  expect(said).toMatch(/^2\.0\n\/.*\n:end\n$/)
})

test('jobs that want the same packages at once wait for one that installs them', async () => {
  await pilots.start({ slots: 3 })
  const environment = { requirements: lockOf('1.0') }
  const ids = Array.from({ length: 3 }, () => submit(python(whoseVersion, 'import tinypackage'), environment))
  for (const id of ids) expect((valueIn(await pilots.server.ended(id)) as string[])[0]).toBe('1.0')
  await expectInstallations(1)
  const waiting = () => ids.filter((id) => /waits for the environment that j\d+ makes/.test(logOf(id))).length
  await until('what both of the others wait for', () => waiting() >= 2)
  expect(waiting()).toBe(2)
})

test('so do pilots that share a folder', async () => {
  const servers = [pilots.server, await new FakeServer().start()] as const
  const environments = join(pilots.scratch, 'shared')
  const neighbour = await startTestPilot(servers[1], { environments })
  await pilots.start({ environments })
  const payload = python(whoseVersion, 'import tinypackage')
  for (const [hash, bytes] of pilots.server.blobs) servers[1].blobs.set(hash, bytes)
  const ends = await Promise.all(
    servers.map((server) => {
      server.patienceMs = patienceMs
      return server.ended(server.submit({ payload, environment: { requirements: lockOf('2.0') } }))
    }),
  )
  const prefixes = ends.map((end) => (valueIn(end) as string[])[1])
  expect(prefixes[0]).toBe(prefixes[1])
  await expectInstallations(1, ...servers)
  await neighbour.close()
  await servers[1].stop()
})

test('packages that cannot be installed fail the first job with what was said; those that waited for it are given back', async () => {
  await pilots.start({ slots: 3 })
  const ids = Array.from({ length: 3 }, () => submit(python('return 1'), { requirements: lockOf('3.0') }))
  const ends = await Promise.all(ids.map((id) => pilots.server.ended(id)))
  expect(ends[0]).toMatchObject({
    ...{ what: 'failed', cause: 'environment' },
    error: {
      type: 'EnvironmentFailed',
      message: expect.stringMatching(/No matching distribution found for tinypackage==3\.0/),
    },
  })
  expect(ends.slice(1).map(({ what }) => what)).toEqual(['returned', 'returned'])
  await logged(ids[0]!, /No matching distribution/)
})

test('init_env runs before functions and commands, and its failure is told from theirs', async () => {
  await pilots.start()
  const setup = join(pilots.scratch, 'setup.sh')
  writeFileSync(setup, 'export MINE=from-setup\n')
  const environment = { initEnv: `. ${setup}` }
  expect(await resultOf(python('return os.environ["MINE"]'), environment)).toBe('from-setup')
  expect(await saidBy('echo $MINE', environment)).toBe('from-setup\n:end\n')
  for (const payload of [python('return 1'), sh('true')])
    expect(await pilots.server.ended(submit(payload, { initEnv: '. /no/such/file' }))).toMatchObject({
      ...{ what: 'failed', cause: 'environment' },
      error: { message: expect.stringMatching(/init_env/) },
    })
  expect(await pilots.server.ended(submit(sh('exit 3'), environment))).toMatchObject({ cause: 'user', exitCode: 3 })
  expect(await pilots.server.ended(submit(sh('kill -SEGV $$'), environment))).toMatchObject({ signal: 'SIGSEGV' })
})

test('a program at the end of init_env starts the payload', async () => {
  await pilots.start()
  const prefix = join(pilots.scratch, 'runs-in')
  writeFileSync(prefix, '#!/bin/sh\nshift\nINSIDE=yes exec "$@"\n')
  chmodSync(prefix, 0o755)
  expect(await resultOf(python('return os.environ["INSIDE"]'), { initEnv: `${prefix} img ` })).toBe('yes')
  expect(await resultOf(pilots.work('return process.env.INSIDE'), { initEnv: `${prefix} img` })).toBe('yes')
})

test('what is run after a job finds its folder, is heard, has its time, and does not change how it ended', async () => {
  await pilots.start()
  const environment = { postScript: 'sleep 3; cat left; exit 5', cleanEnv: 'echo cleaned' }
  const id = submit(
    python('open("left", "w").write("left behind\\n"); print("ran"); return "x" * 2000000'),
    environment,
  )
  const report = await pilots.server.ended(id)
  expect(report).toMatchObject({ what: 'finished' })
  const { blob } = report.value as { blob: string }
  expect(pilots.server.blobs.get(blob)!.length).toBeGreaterThan(2_000_000)
  await pilots.server.said(id, 'stdout', 'ran\nleft behind\ncleaned\n')
  const failing = submit(python('raise ValueError("mine")'), { postScript: 'echo posted' })
  expect(await pilots.server.ended(failing)).toMatchObject({ cause: 'user', error: { type: 'ValueError' } })
  await pilots.server.said(failing, 'stdout', 'posted')
  const pids = python('return os.getpid()')
  expect(await resultOf(pids, environment)).not.toBe(await resultOf(pids, environment))
})

test('it finds there what an earlier attempt has kept', async () => {
  await pilots.start()
  const kept = { kept: { 'state/model': 'weights' } }
  const id = submit(pilots.work('return existsSync("state/model")'), { postScript: 'cat state/model' }, kept)
  expect(valueIn(await pilots.server.ended(id))).toBe(true)
  await pilots.server.said(id, 'stdout', 'weights')
})

test('what is installed by conda is told by conda what it needs', async () => {
  // None of conda's programs is to be had here: this one makes a folder of that form, and notes how it was called.
  const bin = join(pilots.scratch, 'bin')
  mkdirSync(bin)
  const calls = join(pilots.scratch, 'calls')
  writeFileSync(
    join(bin, 'micromamba'),
    `#!/bin/sh
echo "$@" > ${calls}
prefix=$5
mkdir -p "$prefix/bin" "$prefix/conda-meta" "$prefix/etc/conda/activate.d"
ln -s "$(command -v python3)" "$prefix/bin/python"
echo 'export ACTIVATED=$CONDA_PREFIX' > "$prefix/etc/conda/activate.d/one.sh"
`,
  )
  chmodSync(join(bin, 'micromamba'), 0o755)
  await pilots.start({ environment: { PATH: `${bin}:${process.env.PATH}`, HOME: pilots.scratch } })
  const conda = '@EXPLICIT\nhttps://conda.example/linux-64/python-3.12.conda#abc\n'
  const [activated, prefix] = (await resultOf(python('return [os.environ["ACTIVATED"], os.environ["CONDA_PREFIX"]]'), {
    conda,
  })) as string[]
  expect(activated).toBe(prefix)
  expect(readFileSync(calls, 'utf8')).toMatch(/^create --yes --quiet --prefix \/.*\/made\.\w+ --file conda\.txt\n$/)
  expect(readFileSync(join(prefix!, '../conda.txt'), 'utf8')).toBe(conda)
})

test('an image that nothing here can run stops the task with the reasons', async () => {
  await pilots.start({ runtimes: [bubblewrapRuntime({ program: 'bwrap' })] })
  const report = await pilots.server.ended(submit(sh('true'), { image: 'docker.io/library/python:3.12' }))
  expect(report).toMatchObject({
    ...{ what: 'failed', cause: 'environment' },
    error: {
      type: 'ImageNotRun',
      message: expect.stringMatching(/docker\.io\/library\/python:3\.12: bubblewrap runs unpacked images/),
    },
  })
})

const noBubblewrap =
  spawnSync('bwrap', ['--dev-bind', '/', '/', '--unshare-pid', '--proc', '/proc', '--', 'true']).status === 0
    ? null
    : 'bubblewrap is missing or not allowed; apt-get install bubblewrap'

describeNeeding(noBubblewrap)('images by bubblewrap', () => {
  const runtimes = [bubblewrapRuntime({ program: 'bwrap' })]

  test('the files of the machine are there to be read; what the job needs is there, and nothing of its owner', async () => {
    const { folder } = await pilots.start({ runtimes })
    const environment = { image: 'host' }
    writeFileSync(join(pilots.scratch, 'mine'), 'my own')
    const tries = `[os.path.exists(p) for p in (${JSON.stringify(join(pilots.scratch, 'mine'))}, ${JSON.stringify(join(folder, 'name'))}, "/usr/bin/env")]`
    const body = `open("here", "w").write("x"); return [${tries}, os.access("/usr", os.W_OK), os.getpid() < 10, os.environ.get("HOME"), args[0]]`
    const report = await pilots.server.ended(submit(python(body), environment, { args: ['y'] }))
    expect(valueIn(report)).toEqual([[false, false, true], false, true, join(folder, 'homes/u1'), 'y'])
    expect(await resultOf(pilots.work('return [process.env.HOME, existsSync("/usr/bin/env")]'), environment)).toEqual([
      join(folder, 'homes/u1'),
      true,
    ])
  })

  test('an unpacked image is all that there is; large values go in and out of it', async () => {
    await pilots.start({ runtimes })
    const image = makeRootfs(join(pilots.scratch, 'image'), { librariesOf: [process.execPath] })
    expect((await saidBy('ls /; ls -d /etc/passwd', { image })).split('\n')).not.toContain('root')
    const payload = pilots.work(
      'return [existsSync("/usr/bin/python3"), args[0].length, "y".repeat(2000000).length, "y".repeat(2000000)]',
    )
    const text = JSON.stringify({ a: ['z'.repeat(2_000_000)] })
    const args = { blob: pilots.server.store(text), bytes: text.length }
    const report = await pilots.server.ended(submit(payload, { image }, { args }))
    expect(report).toMatchObject({ what: 'finished' })
    const value = JSON.parse(pilots.server.blobs.get((report.value as { blob: string }).blob)!.toString())
    expect(value.slice(0, 3)).toEqual([false, 2_000_000, 2_000_000])
    expect(await pilots.server.ended(submit(sh('no-such-program'), { image }))).toMatchObject({
      what: 'failed',
      cause: 'user',
    })
  })

  test('packages are installed for the Python of the image', async () => {
    await pilots.start({ runtimes })
    const environment = { image: 'host', requirements: lockOf('1.0').replace(index, '/var/lib/culm-test-index') }
    // What the lock file names must be there in the image too: a folder that it hides is not.
    expect(await pilots.server.ended(submit(python('return 1'), environment))).toMatchObject({ cause: 'environment' })
    const id = submit(python('return sys.prefix'), { image: 'host', requirements: '\n# nothing\n# but a comment' })
    expect(valueIn(await pilots.server.ended(id))).toMatch(/environments\/u1\/.*\/made\./)
  })

  test('no program is found in an image that lacks it, and the job says which', async () => {
    await pilots.start({ runtimes })
    const image = makeRootfs(join(pilots.scratch, 'image'))
    const report = await pilots.server.ended(submit(python('return 1'), { image }))
    expect(report).toMatchObject({ cause: 'environment', error: { message: expect.stringMatching(/python3/) } })
  })
})

describeNeeding(noPodman)('images by podman', () => {
  let podman: ReturnType<typeof testPodman> & { image: string }
  const start = () => {
    podman ??= (() => {
      const made = testPodman({ programs: ['sh', 'cat', 'sleep', 'head', 'tail'], librariesOf: [process.execPath] })
      return { ...made, image: made.makeImage() }
    })()
    return pilots.start({
      runtimes: [podmanRuntime({ program: 'podman', env: podman.env, gpuMakers: [] })],
      environment: { PATH: process.env.PATH, HOME: podman.env.HOME },
    })
  }

  test('commands and functions run in a container', async () => {
    await start()
    const { image } = podman
    expect(await saidBy('echo $CULM_JOB; echo kept > out; cat out', { image })).toMatch(/^j\d+\nkept\n:end\n$/)
    expect(await resultOf(pilots.work('return [existsSync("/usr/bin/python3"), args.length]'), { image })).toEqual([
      false,
      0,
    ])
    expect(await pilots.server.ended(submit(sh('exit 3'), { image }))).toMatchObject({ cause: 'user', exitCode: 3 })
  })

  test('a container ends with its job, and its memory counts', async () => {
    const { folder } = await start()
    const { image } = podman
    const id = submit(sh('echo up; sleep 600'), { image })
    await pilots.server.said(id, 'stdout', 'up')
    const [pidFile] = readdirSync(join(folder, 'pids'))
    const pid = Number(readFileSync(join(folder, 'pids', pidFile!), 'utf8'))
    expect(lives(pid)).toBe(true)
    const asked = performance.now()
    pilots.server.cancel(id)
    await until('the end of the container', () => !lives(pid))
    expect(performance.now() - asked, 'its first process is not waited for in vain').toBeLessThan(cancelGraceMs)
    expect((await pilots.server.ended(id)).what).toBe('cancelled')
    const large = submit(
      sh('head -c 300000000 /dev/zero | tail -c 250000000 | sleep 600'),
      { image },
      { memoryMb: 100 },
    )
    expect(await pilots.server.ended(large)).toMatchObject({ what: 'failed', cause: 'memory' })
    await until(
      'no container is left',
      () => readdirSync(join(folder, 'pids')).length === 0 || !existsSync(join(folder, 'pids')),
    )
  })
})
