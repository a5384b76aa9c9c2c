import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { pidsHere, readProc } from './processTable.ts'
import { command, lives, pilotFixture, until, valueIn } from './testing/pilotFixture.ts'

/** Limits, losses, and the beginning and end of a pilot. */
const pilots = pilotFixture()

test('over its memory limit the whole group is killed, a grandchild too', async () => {
  await pilots.start()
  const hog = 'const a = []; for (let i = 0; i < 30; i++) a.push(Buffer.alloc(10e6, 1)); setInterval(() => {}, 1000)'
  // The grandchild leaves the group, as a shell's job control would make it.
  const payload = pilots.work(`
    const child = spawn(process.execPath, ['-e', ${JSON.stringify(hog)}], { detached: true, stdio: 'ignore' })
    console.log(process.pid + ' ' + child.pid + ';')
    await fileAt('/never')`)
  const id = pilots.server.submit({ payload, memoryMb: 200 })
  await pilots.server.said(id, 'stdout', ';')
  const pids = pilots.server.output.get(`${id}:stdout`)!.split(';')[0]!.split(' ').map(Number)
  const report = await pilots.server.ended(id)
  expect(report).toMatchObject({
    what: 'failed',
    cause: 'memory',
    error: { message: expect.stringMatching(/it used \d+ MB; its limit is 200 MB/) },
  })
  expect(report.usage!.maxRssMb).toBeGreaterThan(200)
  await until('the end of the family', () => !pids.some(lives))
})

test('over its time limit a job is ended', async () => {
  await pilots.start()
  const report = await pilots.server.ended(pilots.server.submit({ payload: command('sleep', '1000'), wallSeconds: 1 }))
  expect(report).toMatchObject({
    what: 'failed',
    cause: 'walltime',
    error: { message: expect.stringContaining('1 s') },
  })
  expect(report.usage!.wallSeconds).toBeLessThan(5)
})

test('a cancel asks first and then kills, and the slot is free again', async () => {
  await pilots.start({ slots: 1 })
  const polite = pilots.server.submit({
    payload: command('sh', '-c', 'trap "echo asked; exit 0" TERM; echo up; sleep 1000 & wait'),
  })
  await pilots.server.said(polite, 'stdout', 'up')
  pilots.server.cancel(polite)
  expect(await pilots.server.ended(polite)).toMatchObject({ what: 'cancelled' })
  await pilots.server.said(polite, 'stdout', 'asked')
  const id = pilots.server.submit({ payload: pilots.work('console.log("up"); await fileAt("/never")') })
  await pilots.server.said(id, 'stdout', 'up')
  pilots.server.cancel(id)
  expect(await pilots.server.ended(id)).toMatchObject({ what: 'cancelled' })
  expect(valueIn(await pilots.server.ended(pilots.server.submit({ payload: pilots.work('return 1') })))).toBe(1)
})

test('with all cores taken a claim for none is open, and makes room at once for one when a core is free', async () => {
  await pilots.start({ slots: 1, waitSeconds: 60 })
  const payload = pilots.work('console.log("up"); await fileAt(args[0])')
  const first = pilots.server.submit({ payload, args: [join(pilots.scratch, 'go')] })
  await pilots.server.said(first, 'stdout', 'up')
  await pilots.server.until('a claim for no cores', () => pilots.server.claims.at(-1)?.cores === 0)
  const second = pilots.server.submit({ payload, args: [join(pilots.scratch, 'go')] })
  writeFileSync(join(pilots.scratch, 'go'), '')
  expect(await pilots.server.ended(second)).toMatchObject({ what: 'finished' })
  expect(
    pilots.server.claims.every(({ claimSeq }, i) => i === 0 || claimSeq === pilots.server.claims[i - 1]!.claimSeq + 1),
  ).toBe(true)
})

test('an answer to a claim that is lost is asked for again, and no job runs twice', async () => {
  await pilots.start({ slots: 4 })
  pilots.server.loseAnswers = 2
  const ran = join(pilots.scratch, 'ran')
  const ids = ['a', 'b'].map((word) =>
    pilots.server.submit({ payload: command('sh', '-c', 'echo "$0" >> "$1"', word, ran) }),
  )
  for (const id of ids) expect(await pilots.server.ended(id)).toMatchObject({ what: 'finished' })
  const bodies = new Map(pilots.server.claims.map((claim) => [claim.claimSeq, claim]))
  expect(pilots.server.claims.length).toBeGreaterThan(bodies.size)
  expect(pilots.server.reports.filter(({ what }) => what === 'finished')).toHaveLength(2)
  expect(readFileSync(ran, 'utf8').trim().split('\n').sort()).toEqual(['a', 'b'])
})

test('jobs go on while the server is away, and what happened is told when it is back', async () => {
  await pilots.start({ slots: 2 })
  const file = join(pilots.scratch, 'go')
  const payload = pilots.work(
    `console.log("up"); await fileAt(${JSON.stringify(file)}); console.log("done"); writeFileSync(args[0], ''); return 1`,
  )
  const ids = [1, 2].map((n) => pilots.server.submit({ payload, args: [join(pilots.scratch, `done${n}`)] }))
  for (const id of ids) await pilots.server.said(id, 'stdout', 'up')
  await pilots.server.stop()
  writeFileSync(file, '')
  await until(
    'the end of the jobs',
    () => existsSync(join(pilots.scratch, 'done1')) && existsSync(join(pilots.scratch, 'done2')),
  )
  await pilots.server.start()
  for (const id of ids) expect(valueIn(await pilots.server.ended(id))).toBe(1)
  for (const id of ids) await pilots.server.said(id, 'stdout', 'up\ndone\n')
  expect(pilots.server.epoch).toBe(1)
})

test('a job that awaits its calls gives its slot to others, and goes on when it has one again', async () => {
  await pilots.start({ slots: 1 })
  const file = join(pilots.scratch, 'go')
  const outer = pilots.server.submit({
    payload: pilots.work(
      `runtime().awaiting(); await fileAt(${JSON.stringify(file)}); await runtime().woken(); return 'resumed'`,
    ),
  })
  expect(await pilots.server.reported(outer, 'awaiting')).toMatchObject({ startedAt: expect.any(String) })
  const inner = pilots.server.submit({
    payload: pilots.work(`writeFileSync(${JSON.stringify(file)}, ''); await fileAt(args[0]); return 2`),
    args: [join(pilots.scratch, 'end')],
  })
  await pilots.server.reported(outer, 'woken')
  // The inner one has the only slot still.
  expect(pilots.server.reports.some((r) => r.what === 'finished')).toBe(false)
  writeFileSync(join(pilots.scratch, 'end'), '')
  expect(valueIn(await pilots.server.ended(inner))).toBe(2)
  expect(valueIn(await pilots.server.ended(outer))).toBe('resumed')
  const order = pilots.server.reports.filter((r) => r.what === 'finished').map((r) => r.jobId)
  expect(order).toEqual([inner, outer])
})

test('a job that is over before it has its slot back is told of once it has', async () => {
  await pilots.start({ slots: 1 })
  const outer = pilots.server.submit({
    payload: pilots.work(`runtime().awaiting(); await fileAt(args[0]); void runtime().woken(); return 'early'`),
    args: [join(pilots.scratch, 'go')],
  })
  await pilots.server.reported(outer, 'awaiting')
  const inner = pilots.server.submit({
    payload: pilots.work('console.log("up"); await fileAt(args[0])'),
    args: [join(pilots.scratch, 'end')],
  })
  await pilots.server.said(inner, 'stdout', 'up')
  writeFileSync(join(pilots.scratch, 'go'), '')
  await pilots.server.reported(outer, 'woken')
  writeFileSync(join(pilots.scratch, 'end'), '')
  expect(valueIn(await pilots.server.ended(outer))).toBe('early')
  const order = pilots.server.reports.filter((r) => r.what === 'finished').map((r) => r.jobId)
  expect(order).toEqual([inner, outer])
})

test('at the end running jobs may finish, what awaits goes back, and the server is told', async () => {
  const pilot = await pilots.start({ slots: 2, graceSeconds: 30 })
  const file = join(pilots.scratch, 'go')
  const awaiting = pilots.server.submit({ payload: pilots.work('runtime().awaiting(); await fileAt("/never")') })
  await pilots.server.reported(awaiting, 'awaiting')
  const running = pilots.server.submit({
    payload: pilots.work(`console.log("up"); await fileAt(${JSON.stringify(file)}); return 5`),
  })
  await pilots.server.said(running, 'stdout', 'up')
  pilot.drain()
  expect(await pilots.server.ended(awaiting)).toMatchObject({ what: 'returned' })
  writeFileSync(file, '')
  expect(valueIn(await pilots.server.ended(running))).toBe(5)
  await pilot.ended
  expect(pilots.server.left).toBe(1)
  expect(existsSync(join(pilot.folder, 'jobs'))).toBe(false)
})

test('what still runs when its grace is over goes back, and a second word ends it at once', async () => {
  const patient = await pilots.start({ slots: 1, graceSeconds: 0.1 })
  const first = pilots.server.submit({ payload: pilots.work('console.log(process.pid + ";"); await fileAt("/never")') })
  await pilots.server.said(first, 'stdout', ';')
  patient.drain()
  expect(await pilots.server.ended(first)).toMatchObject({ what: 'returned', startedAt: expect.any(String) })
  await patient.ended

  const hurried = await pilots.start({ slots: 1, graceSeconds: 1000 })
  const second = pilots.server.submit({ payload: command('sh', '-c', 'trap "" TERM; echo up; sleep 1000') })
  await pilots.server.said(second, 'stdout', 'up')
  hurried.drain()
  hurried.kill()
  expect(await pilots.server.ended(second)).toMatchObject({ what: 'returned' })
  await hurried.ended
  const pid = Number(pilots.server.output.get(`${first}:stdout`)!.split(';')[0])
  expect(lives(pid)).toBe(false)
})

test('the lease is renewed with what is held; what is no longer its own is ended without a word', async () => {
  pilots.server.renewSeconds = 0.05
  await pilots.start()
  const id = pilots.server.submit({ payload: pilots.work('console.log(process.pid + ";"); await fileAt("/never")') })
  await pilots.server.said(id, 'stdout', ';')
  pilots.server.drop = [{ jobId: id, attempt: 1 }]
  const listed = await pilots.server.until('a renewal with the list', () =>
    pilots.server.renewals.find(({ list }) => list?.length === 1),
  )
  expect(listed.list).toEqual([{ jobId: id, attempt: 1 }])
  await until(
    'the end of the dropped job',
    () => !lives(Number(pilots.server.output.get(`${id}:stdout`)!.split(';')[0])),
  )
  pilots.server.drop = []
  const other = pilots.server.submit({ payload: pilots.work('return 3') })
  expect(valueIn(await pilots.server.ended(other))).toBe(3)
  const ends = pilots.server.reports.filter(({ jobId, endedAt }) => jobId === id && endedAt)
  expect(ends).toEqual([])
})

test('a pilot that the server has forgotten registers again; one that was replaced ends, and its jobs with it', async () => {
  pilots.server.renewSeconds = 0.05
  const pilot = await pilots.start()
  await pilots.server.until('the first registration', () => pilots.server.epoch === 1)
  pilots.server.knowsPilot = false
  await pilots.server.until('the second registration', () => pilots.server.epoch === 2)
  const id = pilots.server.submit({ payload: command('sh', '-c', 'echo "$$;"; sleep 1000') })
  await pilots.server.said(id, 'stdout', ';')
  pilots.server.epoch = 3
  await expect(pilot.ended).rejects.toMatchObject({ code: 'pilot_replaced' })
  expect(lives(Number(pilots.server.output.get(`${id}:stdout`)!.split(';')[0]))).toBe(false)
})

test('what a killed pilot left running is ended by its next start', async () => {
  const { spawn } = await import('node:child_process')
  const orphan = spawn('sleep', ['1000'], {
    detached: true,
    env: { CULM_PILOT_FOLDER: pilots.scratch, PATH: process.env.PATH },
    stdio: 'ignore',
  })
  const other = spawn('sleep', ['1000'], {
    detached: true,
    env: { CULM_PILOT_FOLDER: `${pilots.scratch}x`, PATH: process.env.PATH },
    stdio: 'ignore',
  })
  await until(
    'the orphan',
    () => pidsHere().includes(orphan.pid!) && readProc(orphan.pid!, 'environ')!.includes(pilots.scratch),
  )
  await pilots.start({ folder: pilots.scratch })
  await until('the end of the orphan', () => orphan.signalCode === 'SIGKILL')
  expect(other.signalCode).toBe(null)
  other.kill('SIGKILL')
})
