import { once } from 'node:events'
import { mkdir, rm } from 'node:fs/promises'
import net from 'node:net'
import path from 'node:path'
import { socketName } from '../../src/main/postgres/connection.ts'

/**
 * What stands between the servers and PostgreSQL. It forwards bytes; it may cut every connection, hold everything back, or, with `loseReplies`, let PostgreSQL do
 * what it was asked (a commit above all) and cut the connection instead of passing the answer on.
 */
export class DatabaseProxy {
  readonly folder: string
  readonly #socketOf: () => string
  readonly #server: net.Server
  readonly #pairs = new Set<[net.Socket, net.Socket]>()
  loseReplies = 0
  lost = 0
  #frozen = false

  /** `socketOf`: the folder of the socket of PostgreSQL, as it is now. */
  constructor(folder: string, socketOf: () => string) {
    this.folder = folder
    this.#socketOf = socketOf
    this.#server = net.createServer((client) => this.#connect(client))
  }

  async listen(): Promise<void> {
    await mkdir(this.folder, { recursive: true })
    await rm(path.join(this.folder, socketName), { force: true })
    this.#server.listen(path.join(this.folder, socketName))
    await once(this.#server, 'listening')
  }

  cut(): void {
    for (const [client, database] of this.#pairs) {
      client.destroy()
      database.destroy()
    }
  }

  freeze(): void {
    this.#frozen = true
    for (const pair of this.#pairs) for (const socket of pair) socket.pause()
  }

  thaw(): void {
    this.#frozen = false
    for (const pair of this.#pairs) for (const socket of pair) socket.resume()
  }

  close(): void {
    this.cut()
    this.#server.close()
  }

  #connect(client: net.Socket): void {
    const database = net.connect(path.join(this.#socketOf(), socketName))
    const pair: [net.Socket, net.Socket] = [client, database]
    this.#pairs.add(pair)
    const end = () => {
      this.#pairs.delete(pair)
      client.destroy()
      database.destroy()
    }
    for (const socket of pair) socket.on('error', end).on('close', end)
    client.on('data', (chunk) => {
      if (!database.write(chunk)) {
        client.pause()
        database.once('drain', () => this.#frozen || client.resume())
      }
    })
    database.on('data', (chunk) => {
      if (this.loseReplies > 0 && saysDone(chunk)) {
        this.loseReplies--
        this.lost++
        end()
      } else if (!client.write(chunk)) {
        database.pause()
        client.once('drain', () => this.#frozen || database.resume())
      }
    })
    if (this.#frozen) for (const socket of pair) socket.pause()
  }
}

/** `ReadyForQuery` outside of a transaction closes the chunk: what was asked is committed. */
const saysDone = (chunk: Buffer): boolean => chunk.length > 6 && chunk.subarray(-6).equals(ready)
const ready = Buffer.from([0x5a, 0, 0, 0, 5, 0x49])
