import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Job } from '../../src/contract/jobs.ts'
import { files } from '../../src/main/files.ts'
import { installSdk } from '../../src/sdk/testing/installSdk.ts'
import { defaultLimits } from '../../src/services/engine/engine.ts'
import { culm, freshFolder, type Running, run } from '../support/processes.ts'
import { eventually, startTestServer, type TestServer } from '../support/server.ts'

/** What payloads say and keep, with real pilots of which some are killed, in both languages. */

let server: TestServer
let sdk: Awaited<ReturnType<typeof installSdk>>
let env: NodeJS.ProcessEnv
beforeAll(async () => {
  server = await startTestServer({ limits: { ...defaultLimits, leaseSeconds: 10, renewSeconds: 1 } })
  sdk = await installSdk()
  env = { CULM_SERVER: server.url, CULM_TOKEN: server.userToken, PYTHONPATH: files.pythonPath }
}, 120_000)
afterAll(() => sdk?.remove())

/** A pilot with a folder, and so a name, of its own. */
const startPilot = async (): Promise<Running> => {
  const folder = await freshFolder('pilot')
  const args = ['pilot', '--slots', '2', '--no-isolation', '--folder', path.join(folder, 'p')]
  const pilot = culm(args, {
    CULM_HOME: path.join(folder, 'home'),
    CULM_SERVER: server.url,
    CULM_PILOT_TOKEN: server.pilotToken,
    PYTHONPATH: files.pythonPath,
  })
  await pilot.says('registered')
  return pilot
}

/** Each counts to 6, a checkpoint at each step, and its first attempt never gets beyond 3. */
const programs = {
  typescript: {
    file: 'count.ts',
    source: `
      import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
      import { checkpoint, progress, remainingSeconds, report, restored, work, workflow } from 'culm'

      export const count = work(async (steps: number) => {
        const began = restored() ? Number(readFileSync('state/step', 'utf8')) : 0
        const found = existsSync('state')
        for (let step = began; step < steps; step++) {
          mkdirSync('state', { recursive: true })
          writeFileSync('state/step', String(step))
          await checkpoint('state')
          report(step, { loss: 1 / (step + 1), nothing: Number.NaN })
          progress(step + 1, { total: steps, text: 'step ' + step })
          if (step === 3 && began === 0) await new Promise(() => {})
        }
        return { began, found, left: remainingSeconds()! > 500, seconds: remainingSeconds()! < 601 }
      }, { wallSeconds: 600, lostAfterSeconds: 1 })
      export const main = workflow(() => count(6))`,
    start: (file: string) => culm(['run', file, '--json'], env),
  },
  python: {
    file: 'count.py',
    source: `
import json
import os
import threading

import culm
from culm import work, workflow


@work(wall_seconds=600, lost_after_seconds=1)
def count(steps):
    found = os.path.exists('state')
    began = int(open('state/step').read()) if culm.restored() else 0
    for step in range(began, steps):
        os.makedirs('state', exist_ok=True)
        with open('state/step', 'w') as file:
            file.write(str(step))
        culm.checkpoint('state')
        culm.report(step, loss=1 / (step + 1), nothing=float('nan'))
        culm.progress(step + 1, steps, f'step {step}')
        if step == 3 and began == 0:
            threading.Event().wait()
    return {'began': began, 'found': found, 'left': culm.remaining_seconds() > 500, 'seconds': culm.remaining_seconds() < 601}


@workflow
def main():
    return count(6)


if __name__ == '__main__':
    print('{"value":' + json.dumps(main(), separators=(',', ':')) + '}')
`,
    start: (file: string) => run('python3', [file], env),
  },
}

const write = async (name: string, file: string, source: string): Promise<string> => {
  const place = path.join(sdk.folder, name, file)
  await mkdir(path.dirname(place), { recursive: true })
  await writeFile(place, source)
  return place
}

/** The only job of the newest task. */
const newestJob = async (): Promise<Job | undefined> => {
  const [task] = (await server.user.call('listTasks', { query: { limit: 1 } })).items
  const [job] = task ? (await server.user.call('listJobs', { params: { id: task.id } })).items : []
  return job && server.user.call('getJob', { params: { id: job.id } })
}

const metricsOf = async (id: Job['id'], name: string) =>
  (await server.user.call('jobMetrics', { params: { id }, query: { name } })).items

describe.each(Object.entries(programs))('in %s', (language, { file, source, start }) => {
  test('what a job says is seen while it runs, and when its pilot is killed it goes on from its checkpoint at another', async () => {
    const first = await startPilot()
    const program = start(await write(language, file, source))
    const running = await eventually(
      async () => {
        const job = await newestJob()
        return (
          job?.progress?.done === 4 && job.state === 'running' && (await metricsOf(job.id, 'loss')).length === 4 && job
        )
      },
      'it has come to where it stays',
      30_000,
    )
    expect(running).toMatchObject({
      progress: { total: 6, text: 'step 3', attempt: 1 },
      checkpoint: { attempt: 1, bytes: 1 },
    })
    expect((await metricsOf(running.id, 'nothing'))[0]!.value).toBe('NaN')
    const more = server.user.call('jobMetrics', {
      params: { id: running.id },
      query: { name: 'loss', after: await placeAfter(running.id), waitSeconds: 30 },
    })

    await first.kill('SIGKILL')
    const second = await startPilot()
    expect(await program.ended, program.printed()).toBe(0)
    expect(program.printed()).toContain('"value":{"began":3,"found":true,"left":true,"seconds":true}')
    const ended = await server.user.call('getJob', { params: { id: running.id } })
    expect(ended.attempts.map(({ end }) => end)).toEqual(['lost', 'finished'])
    expect(new Set(ended.attempts.map(({ pilotId }) => pilotId)).size).toBe(2)
    expect(ended.checkpoint).toMatchObject({ attempt: 2 })

    const losses = await eventually(async () => {
      const all = await metricsOf(running.id, 'loss')
      return all.length === 6 && all
    }, 'all of its metrics')
    expect(losses.map(({ step, value, attempt }) => [step, value, attempt])).toEqual(
      [1, 1, 1, 2, 2, 2].map((attempt, step) => [step, 1 / (step + 1), attempt]),
    )
    expect((await more).items[0]).toMatchObject({ step: 4, attempt: 2 })
    const task = { params: { id: ended.taskId }, query: { name: 'loss' } }
    expect((await server.user.call('taskMetrics', task)).items).toMatchObject([
      { index: 0, last: { step: 5, attempt: 2 } },
    ])
    await second.kill('SIGTERM')
  }, 120_000)
})

const placeAfter = async (id: Job['id']): Promise<string> =>
  (await server.user.call('jobMetrics', { params: { id }, query: { name: 'loss' } })).next

test('a command that dies goes on from what it has kept', async () => {
  const pilot = await startPilot()
  const script = `
import os, signal, sys, culm
if culm.restored():
    sys.exit(open('state/word').read() != 'kept')
os.mkdir('state')
open('state/word', 'w').write('kept')
culm.checkpoint('state')
open('state/word', 'w').write('lost')
os.kill(os.getpid(), signal.SIGKILL)`
  const wrapped = ['sh', '-c', `PYTHONPATH=${files.pythonPath} exec python3 -c "$0"`, script]
  const submitted = culm(['submit', '--wait', '--attempts', '2', '--', ...wrapped], env)
  expect(await submitted.ended, submitted.printed()).toBe(0)
  const job = (await newestJob())!
  expect(job.attempts.map(({ end }) => end)).toEqual(['failed', 'finished'])
  await pilot.kill('SIGTERM')
}, 120_000)
