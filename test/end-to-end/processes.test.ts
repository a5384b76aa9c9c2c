import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { beforeAll, describe, expect, inject, test } from 'vitest'
import { type Client, makeClient } from '../../src/contract/client.ts'
import { freshDatabase } from '../support/database.ts'
import { culm, freshFolder, type Running, readToken } from '../support/processes.ts'
import { eventually } from '../support/server.ts'

const submit = async (client: Client, command: string[], more: object = {}) => {
  const { workflowId } = await client.call('createWorkflow', { body: { name: command[0]!, kind: 'tasks' } })
  const task = await client.call('submitTask', {
    body: {
      workflowId,
      name: command[0]!,
      payload: { kind: 'command', command },
      jobs: [{ args: { text: '{}' } }],
      ...more,
    },
  })
  return { workflowId, taskId: task.taskId, jobId: task.firstJobId! }
}

const stateOf = async (client: Client, id: `j${number}`) => (await client.call('getJob', { params: { id } })).state
const reaches = (client: Client, id: `j${number}`, state: string) =>
  eventually(async () => (await stateOf(client, id)) === state, `${id} is ${state}`, 20_000)

/** The pilot that this `culm up` has started. */
const pilotOf = async (up: Running): Promise<number> => {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  for (const pid of pids) {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
    const [, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const command = Number(parent) === up.child.pid ? await readFile(`/proc/${pid}/cmdline`, 'utf8') : ''
    if (command.includes('culm.js\0pilot')) return Number(pid)
  }
  throw new Error('no pilot is there')
}

describe('culm up', () => {
  let home: string
  beforeAll(async () => {
    home = path.join(await freshFolder(), 'culm')
  })

  test('a first start makes everything, a second beside it attaches, and a third after it finds what was there', async () => {
    const first = culm(['up'], { CULM_HOME: home })
    await first.says('It serves')
    const { url } = JSON.parse(await readFile(path.join(home, 'server.json'), 'utf8'))
    const client = makeClient({ url, token: await readToken(home) })
    const { jobId } = await submit(client, ['sh', '-c', 'echo out; echo err >&2'])
    await reaches(client, jobId, 'finished')
    const log = await eventually(async () => {
      const { items } = await client.call('jobLog', { params: { id: jobId } })
      return items.length === 2 && items
    }, 'both streams are there')
    expect(log.map((chunk) => [chunk.stream, chunk.text]).sort()).toEqual([
      ['stderr', 'err\n'],
      ['stdout', 'out\n'],
    ])

    const second = culm(['up'], { CULM_HOME: home })
    await second.says('runs already')
    expect(await second.ended).toBe(0)

    expect(await first.kill('SIGINT')).toBe(0)
    const third = culm(['up'], { CULM_HOME: home })
    await third.says('It serves')
    expect(JSON.parse(await readFile(path.join(home, 'server.json'), 'utf8')).url).toBe(url)
    expect(await stateOf(client, jobId)).toBe('finished')
    await client.close()
    expect(await third.kill('SIGINT')).toBe(0)
  }, 90_000)

  test('a local pilot that is killed is started again, and what it ran runs again', async () => {
    const up = culm(['up'], { CULM_HOME: home })
    await up.says('It serves')
    const { url } = JSON.parse(await readFile(path.join(home, 'server.json'), 'utf8'))
    const client = makeClient({ url, token: await readToken(home) })
    const flag = path.join(await freshFolder('flag'), 'go')
    const { jobId } = await submit(client, ['sh', '-c', `[ -e ${flag} ] || exec sleep 60`])
    await reaches(client, jobId, 'running')
    await writeFile(flag, '')
    process.kill(await pilotOf(up), 'SIGKILL')
    await up.says('the local pilot ended (killed by SIGKILL) and is started again')
    await reaches(client, jobId, 'finished')
    expect((await client.call('getJob', { params: { id: jobId } })).attempt).toBe(2)
    await client.close()
    expect(await up.kill('SIGINT')).toBe(0)
  }, 90_000)

  test('the home and the token are for their owner only', async () => {
    expect(((await stat(home)).mode & 0o777).toString(8)).toBe('700')
    expect(((await stat(path.join(home, 'token'))).mode & 0o777).toString(8)).toBe('600')
  })

  test('a home made by a newer version is refused with a remedy, and left as it is', async () => {
    const newer = path.join(await freshFolder(), 'newer')
    await mkdir(newer)
    await writeFile(path.join(newer, 'version'), '99.0.0\n')
    const up = culm(['up', '--once'], { CULM_HOME: newer })
    expect(await up.ended).toBe(1)
    expect(up.printed()).toMatch(/99\.0\.0/)
    expect(up.printed()).toMatch(/help: /)
    expect(await readFile(path.join(newer, 'version'), 'utf8')).toBe('99.0.0\n')
  })
})

describe('apart, on one database', () => {
  let env: NodeJS.ProcessEnv
  let client: Client
  let server: Running
  const port = 18_000 + (process.pid % 10_000)

  const startServer = async (at: number) => {
    const started = culm(['server', '--port', String(at), ...(at === port ? ['--announce'] : [])], env)
    await started.says('listening')
    return started
  }

  beforeAll(async () => {
    const { config } = await freshDatabase()
    const { user, password, host, database } = { ...config, ...inject('postgres'), database: config.database }
    const home = path.join(await freshFolder(), 'culm')
    env = {
      CULM_HOME: home,
      DATABASE_URL: `postgres://${user}:${encodeURIComponent(password)}@localhost/${database}?host=${encodeURIComponent(host)}&port=${inject('postgres').port}`,
    }
    server = await startServer(port)
    client = makeClient({ url: `http://127.0.0.1:${port}`, token: await readToken(home), retrySeconds: 20 })
    culm(['agents'], env)
    culm(['pilot', '--slots', '2'], env)
  }, 60_000)

  test('a pilot keeps its job while the server is killed and started again, and its result is registered once', async () => {
    const flag = path.join(await freshFolder('flag'), 'go')
    const { jobId } = await submit(client, ['sh', '-c', `while [ ! -e ${flag} ]; do sleep 0.05; done; echo done`])
    await reaches(client, jobId, 'running')
    await server.kill('SIGKILL')
    await writeFile(flag, '')
    server = await startServer(port)
    await reaches(client, jobId, 'finished')
    const { attempts } = await client.call('getJob', { params: { id: jobId } })
    expect(attempts.map((a) => a.end)).toEqual(['finished'])
  }, 60_000)

  test('a server that cannot start says why, and ends', async () => {
    const second = culm(['server', '--port', String(port)], env)
    expect(await second.ended).toBe(1)
    expect(second.printed()).toMatch(`port ${port} is in use`)
  }, 60_000)

  test('with two servers, what one registers is told to the listeners of the other', async () => {
    const other = await startServer(port + 1)
    const elsewhere = makeClient({ url: `http://127.0.0.1:${port + 1}`, token: await readToken(env.CULM_HOME!) })
    const { workflowId } = await elsewhere.call('createWorkflow', { body: { name: 'two servers', kind: 'tasks' } })
    const stream = await elsewhere.open('streamWorkflow', { params: { id: workflowId }, query: { kinds: 'outcome' } })
    await elsewhere.call('submitTask', {
      body: {
        workflowId,
        name: 'x',
        payload: { kind: 'command', command: ['true'] },
        jobs: [{ args: { text: '{}' } }],
      },
    })
    for await (const { kind, data } of stream) {
      if (kind !== 'outcome') continue
      expect(data).toMatchObject({ state: 'finished' })
      break
    }
    await elsewhere.close()
    await other.kill('SIGINT')
  }, 60_000)

  test('a pilot that is told to end lets its job finish, and takes no other', async () => {
    const pilot = culm(['pilot', '--slots', '1', '--folder', path.join(await freshFolder('pilot'), 'p')], env)
    await pilot.says('registered')
    const folder = await freshFolder('flag')
    const held = await Promise.all(
      [1, 2, 3].map((i) => submit(client, ['sh', '-c', `while [ ! -e ${folder}/${i} ]; do sleep 0.05; done`])),
    )
    for (const { jobId } of held) await reaches(client, jobId, 'running')
    const ended = pilot.kill('SIGTERM')
    await pilot.says('draining')
    const late = await submit(client, ['true'])
    for (const i of [1, 2, 3]) await writeFile(path.join(folder, String(i)), '')
    for (const { jobId } of [...held, late]) await reaches(client, jobId, 'finished')
    expect(await ended).toBe(0)
    const ends = await Promise.all(
      held.map(async ({ jobId }) =>
        (await client.call('getJob', { params: { id: jobId } })).attempts.map((a) => a.end),
      ),
    )
    expect(ends).toEqual([['finished'], ['finished'], ['finished']])
  }, 60_000)

  test('limits of time and memory end the whole process group, and say so', async () => {
    const slow = await submit(client, ['sh', '-c', 'sleep 60 & sleep 60'], { wallSeconds: 1 })
    const fat = await submit(
      client,
      ['sh', '-c', `${process.execPath} -e "const a=[];setInterval(()=>a.push(Buffer.alloc(2e7,1)),10)" & wait`],
      { memoryMb: 150 },
    )
    await reaches(client, slow.jobId, 'failed')
    await reaches(client, fat.jobId, 'failed')
    expect((await client.call('explainJob', { params: { id: slow.jobId } })).cause).toBe('over_walltime')
    expect((await client.call('explainJob', { params: { id: fat.jobId } })).cause).toBe('over_memory')
  }, 60_000)
})
