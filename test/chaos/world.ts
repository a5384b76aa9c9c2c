import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { build as esbuild } from 'esbuild'
import { sleep } from '../../src/lib/clock.ts'
import { messageOf } from '../../src/lib/fault.ts'
import { silentLog } from '../../src/lib/log.ts'
import { files, version } from '../../src/main/files.ts'
import { prepareHome } from '../../src/main/home.ts'
import { urlOf } from '../../src/main/postgres/connection.ts'
import { type Postgres, startPostgres } from '../../src/main/postgres/startPostgres.ts'
import { pilotTokenFile, tokenFile } from '../../src/main/tokens.ts'
import { type Database, openDatabase, sql } from '../../src/store/db.ts'
import { DatabaseProxy } from './databaseProxy.ts'
import { type Disk, openDisk } from './disk.ts'
import { eventually } from './eventually.ts'
import { Process } from './process.ts'
import { type Random, seeded } from './random.ts'
import { ServerProxy } from './serverProxy.ts'

export type WorldOptions = {
  seed: number
  servers: number
  agents: number
  pilots: number
  slots: number
}

/** Something that was done to the system, or that it did by itself. Times are of this machine, ms since 1970. */
export type Incident = {
  kind: string
  target: string
  from: number
  to: number | null
  recoveredMs?: number
  note?: string
}

export type Pilot = { process: Process; proxy: ServerProxy; folder: string }

/** A whole Culm as a collaboration runs it, on this machine: PostgreSQL, servers, agents, pilots, each a process, with proxies between them. */
export class World {
  readonly options: WorldOptions
  readonly folder: string
  readonly home: string
  readonly marks: string
  readonly random: Random
  readonly incidents: Incident[] = []
  /** What must not happen, found while it ran. */
  readonly wrong: string[] = []
  readonly say: (line: string) => void
  readonly servers: Process[] = []
  readonly agents: Process[] = []
  readonly pilots: Pilot[] = []
  /** Of all pilots there ever were. */
  readonly pilotFolders: string[] = []
  readonly databaseDisk: Disk
  readonly storageDisk: Disk
  readonly driverProxy: ServerProxy
  databaseProxy!: DatabaseProxy
  driverUrl!: string
  /** Straight to PostgreSQL, past the proxy. */
  db!: Database
  readonly #package: string
  readonly #reaper: ChildProcess
  readonly #backends: { host: string; port: number }[] = []
  #postgres: Postgres | null = null
  #ending = false
  #pilotCount = 0

  private constructor(options: WorldOptions, say: (line: string) => void) {
    this.options = options
    this.say = say
    this.random = seeded(options.seed)
    // PostgreSQL may run as another user, who must get through.
    this.folder = mkdtempSync(path.join(tmpdir(), 'culm-chaos-'))
    chmodSync(this.folder, 0o711)
    this.home = path.join(this.folder, 'home')
    this.marks = path.join(this.folder, 'marks')
    this.#package = path.join(this.folder, 'package')
    this.#reaper = spawnReaper(this.folder)
    mkdirSync(path.join(this.folder, 'logs'))
    writeFileSync(this.marks, '')
    // Payloads may run as users of their own.
    chmodSync(this.marks, 0o666)
    this.databaseDisk = openDisk(path.join(this.folder, 'database'), 6000)
    this.storageDisk = openDisk(path.join(this.folder, 'storage'), 300)
    this.driverProxy = new ServerProxy('drivers', this.#backends, this.random)
  }

  static async start(options: WorldOptions, say: (line: string) => void): Promise<World> {
    const world = new World(options, say)
    try {
      await world.#start()
      return world
    } catch (error) {
      await world.end()
      throw error
    }
  }

  async #start(): Promise<void> {
    await this.#packPackage()
    await prepareHome(this.home, { version })
    await this.startPostgres()
    this.databaseProxy = new DatabaseProxy(path.join(this.folder, 'socket'), () => this.postgres.connection.host)
    await this.databaseProxy.listen()
    this.db = openDatabase({ ...this.postgres.connection }, { connections: 4 })
    for (let i = 1; i <= this.options.servers; i++) {
      const port = await freePort()
      this.#backends.push({ host: '127.0.0.1', port })
      this.servers.push(this.process(`server${i}`, ['server', '--port', String(port)], { says: 'listening' }))
    }
    // The first makes the schema and the tokens.
    for (const server of this.servers) await server.start()
    for (let i = 1; i <= this.options.agents; i++) this.agents.push(this.process(`agents${i}`, ['agents']))
    await Promise.all(this.agents.map((agents) => agents.start()))
    this.driverUrl = await this.driverProxy.listen()
    for (let i = 1; i <= this.options.pilots; i++) await this.addPilot()
  }

  isWrong(what: string): void {
    this.wrong.push(what)
    this.say(`WRONG ${what.slice(0, 300)}`)
  }

  get postgres(): Postgres {
    if (!this.#postgres) throw new Error('PostgreSQL is not there')
    return this.#postgres
  }

  /** Started again when the launcher has given it up: a disk that is full for long, say. */
  async startPostgres(): Promise<void> {
    const postgres = await startPostgres({
      home: this.home,
      log: silentLog,
      dataDir: path.join(this.databaseDisk.folder, 'data'),
    })
    this.#postgres = postgres
    void postgres.failed.then(async (error) => {
      if (this.#ending || this.#postgres !== postgres) return
      this.incidents.push({
        kind: 'postgres given up',
        target: 'postgres',
        from: Date.now(),
        to: Date.now(),
        note: messageOf(error),
      })
      await postgres.stop()
      for (;;)
        try {
          return await this.startPostgres()
        } catch {
          await sleep(500)
        }
    })
  }

  async addPilot(): Promise<Pilot> {
    const name = `pilot${++this.#pilotCount}`
    const proxy = new ServerProxy(name, this.#backends, this.random)
    const folder = path.join(this.folder, name)
    this.pilotFolders.push(folder)
    const args = [
      'pilot',
      '--slots',
      String(this.options.slots),
      '--memory',
      '1000000',
      '--folder',
      folder,
      '--grace',
      '1',
      '--server',
      await proxy.listen(),
    ]
    const token = readFileSync(pilotTokenFile(this.home, 'local'), 'utf8').trim()
    const process = this.process(name, args, { says: '"registered"', env: { CULM_PILOT_TOKEN: token } })
    const pilot = { process, proxy, folder }
    this.pilots.push(pilot)
    await process.start()
    return pilot
  }

  /** A process of the product as it was packed at the start. */
  process(name: string, args: string[], { says, env = {} }: { says?: string; env?: NodeJS.ProcessEnv } = {}): Process {
    return new Process({
      name,
      command: process.execPath,
      args: ['--enable-source-maps', path.join(this.#package, 'dist/culm.js'), ...args],
      env: {
        PATH: process.env.PATH,
        HOME: this.home,
        LANG: 'C.UTF-8',
        CULM_HOME: this.home,
        CULM_STORAGE: this.storageDisk.folder,
        DATABASE_URL: this.databaseProxy
          ? urlOf({ ...this.postgres.connection, host: this.databaseProxy.folder })
          : undefined,
        ...env,
      },
      logFolder: path.join(this.folder, 'logs'),
      says,
      onOwnEnd: (how) => this.#endedByItself(name, how),
    })
  }

  /**
   * An armed crash point is an incident like any other, and one that starts while the database is away ends, and is started again, as by any supervisor; everything
   * else that ends by itself is wrong.
   */
  #endedByItself(name: string, how: string): void {
    if (this.#ending) return
    const armed = this.armed.get(name)
    this.armed.delete(name)
    const incident = (kind: string, note?: string) =>
      this.incidents.push({ kind, target: name, from: Date.now(), to: null, note })
    if (how === 'SIGKILL' && armed) incident('crash point', armed)
    else if (this.#saidLast(name).includes('the database does not answer')) incident('ended without the database')
    else this.isWrong(`${name} ended by itself: ${how}`)
    void this.#startAgain(name).catch((error) => this.isWrong(`${name} does not start again: ${messageOf(error)}`))
  }

  #saidLast(name: string): string {
    const found = this.everyProcess().find((p) => p.name === name)
    return found ? readFileSync(found.logFile, 'utf8').slice(-500) : ''
  }

  /** Which crash point each process was started with. */
  readonly armed = new Map<string, string>()

  async #startAgain(name: string): Promise<void> {
    const incident = this.incidents.findLast((i) => i.target === name && i.to === null)
    await sleep(500)
    if (this.#ending) return
    await this.everyProcess()
      .find((p) => p.name === name)
      ?.start()
    if (incident) incident.to = Date.now()
  }

  everyProcess(): Process[] {
    return [...this.servers, ...this.agents, ...this.pilots.map((p) => p.process)]
  }

  /** Where a driver lies, built; and where the programs with workflow functions do. */
  file(name: string): string {
    return path.join(this.#package, name)
  }

  get token(): string {
    return readFileSync(tokenFile(this.home), 'utf8').trim()
  }

  /** Until the database answers straight. */
  databaseBack(withinMs = 240_000): Promise<unknown> {
    return eventually(() => this.db.row(sql`select 1 as one`).catch(() => undefined), 'the database answers', withinMs)
  }

  /** Until a server says of itself that it can serve. */
  serverReady(index: number, withinMs = 240_000): Promise<unknown> {
    const { host, port } = this.#backends[index]!
    return eventually(
      () =>
        fetch(`http://${host}:${port}/readyz`, { signal: AbortSignal.timeout(2000) })
          .then((r) => r.ok)
          .catch(() => false),
      `server${index + 1} is ready`,
      withinMs,
    )
  }

  /** Ends the processes in order, the ones that ask before those that answer. Gives the names of those that had to be killed. */
  async endProcesses(): Promise<string[]> {
    this.#ending = true
    const all = this.everyProcess()
    for (const process of all) process.continue()
    const forced: string[] = []
    const end = async (process: Process) => (await process.end(40_000)) || forced.push(process.name)
    await Promise.all(this.pilots.map((p) => end(p.process)))
    await Promise.all([...this.servers, ...this.agents].map(end))
    return forced
  }

  async end(): Promise<void> {
    this.#ending = true
    await this.endProcesses()
    for (const { proxy } of this.pilots) await proxy.close()
    await this.driverProxy.close()
    this.databaseProxy?.close()
    await this.db?.close()
    await this.#postgres?.stop()
    this.databaseDisk.close()
    this.storageDisk.close()
    this.#reaper.kill('SIGKILL')
  }

  /** What is tested is the package as it was built when the run began, whatever is built meanwhile. */
  async #packPackage(): Promise<void> {
    mkdirSync(this.#package)
    for (const name of ['dist', 'migrations', 'python/culm', 'package.json'])
      cpSync(path.join(files.root, name), path.join(this.#package, name), { recursive: true })
    symlinkSync(path.join(files.root, 'node_modules'), path.join(this.#package, 'node_modules'))
    const here = path.join(files.root, 'test/chaos')
    await esbuild({
      entryPoints: [path.join(here, 'driver.ts')],
      bundle: true,
      platform: 'node',
      format: 'esm',
      packages: 'external',
      outfile: path.join(this.#package, 'driver.js'),
      logLevel: 'warning',
    })
    cpSync(path.join(here, 'programs'), path.join(this.#package, 'programs'), { recursive: true })
  }
}

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  return port
}

/** When this process dies, however it dies, everything that bears the name of the run's folder ends too, and its disks are let go. */
const spawnReaper = (folder: string): ChildProcess => {
  const child = spawn('/bin/sh', ['-c', reaper, 'chaos-reaper', folder], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
    cwd: '/',
    env: { PATH: process.env.PATH },
  })
  child.unref()
  return child
}

const reaper = `
read -r _
for turn in 1 2 3; do
  for p in /proc/[0-9]*; do
    [ "$p" = "/proc/$$" ] || ! grep -qsF "$1" "$p/environ" "$p/cmdline" || kill -9 "\${p#/proc/}"
  done
  sleep 1
done
for name in database storage; do umount -l "$1/$name" && rmdir "$1/$name"; done
`

/** Processes that bear the name of the run's folder, by what they are. */
export const processesOf = (folder: string): { pid: number; what: string }[] =>
  execFileSync('ps', ['-ewwo', 'pid='], { encoding: 'utf8' })
    .split('\n')
    .map(Number)
    .filter((pid) => pid > 0 && pid !== process.pid)
    .flatMap((pid) => {
      try {
        const what = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
        const bears = what.includes(folder) || readFileSync(`/proc/${pid}/environ`, 'latin1').includes(folder)
        return bears && !what.includes('chaos-reaper') ? [{ pid, what }] : []
      } catch {
        return []
      }
    })
