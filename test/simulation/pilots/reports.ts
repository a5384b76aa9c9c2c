import type { Report, ReportsReply } from '../../../src/contract/pilots.ts'
import type { Chance } from '../chance.ts'
import type { World } from '../world.ts'
import { type HeldJobs, keyOf } from './held.ts'
import type { Threads } from './threads.ts'

/** Reports on their way: each waits here until it is acknowledged. */
export class Reports {
  readonly #world: World
  readonly #chance: Chance
  readonly #name: string
  readonly #threads: Threads
  readonly #held: HeldJobs
  readonly #post: (reports: Report[]) => Promise<ReportsReply>
  readonly #waiting: Report[] = []
  /** The ends that were acknowledged last. */
  readonly #acknowledged: Report[] = []

  constructor(o: {
    world: World
    chance: Chance
    name: string
    threads: Threads
    held: HeldJobs
    post: (reports: Report[]) => Promise<ReportsReply>
  }) {
    this.#world = o.world
    this.#chance = o.chance
    this.#name = o.name
    this.#threads = o.threads
    this.#held = o.held
    this.#post = o.post
  }

  add(report: Report): void {
    this.#waiting.push(report)
    this.#threads.ring('reports')
  }

  async postForEver(): Promise<void> {
    for (;;) {
      if (this.#waiting.length === 0) await this.#threads.rung('reports', 60_000)
      if (this.#chance.happens(0.7)) await this.#threads.sleep(this.#chance.around(200))
      const n = Math.min(this.#waiting.length, this.#chance.whole(1, 200))
      if (n === 0) continue
      const batch = this.#waiting.slice(0, n)
      const reply = await this.#post(batch)
      this.#waiting.splice(0, n)
      batch.forEach((report, i) => {
        this.#acknowledge(report, reply.answers[i]!)
      })
      await this.#tellAgain()
    }
  }

  #acknowledge(report: Report, { answer, state }: ReportsReply['answers'][number]): void {
    const key = keyOf(report)
    this.#world.chronicle.note(this.#name, `${key} ${report.what}: ${answer} (${state})`)
    if (answer === 'unknown') this.#world.referee.broken.push(`${report.jobId} is unknown to the server`)
    // It was given its slot, and the answer that said so is lost or still to come.
    if (report.what === 'woken' && answer === 'stale' && ['sent', 'starting', 'running'].includes(state ?? ''))
      this.#held.resume(key)
    if (!isEnd(report)) return
    this.#held.forget(key)
    this.#acknowledged.push(report)
    if (this.#acknowledged.length > 20) this.#acknowledged.shift()
    this.#threads.ring('quiet')
  }

  /** What was acknowledged is told once more, and otherwise: it must change nothing. */
  async #tellAgain(): Promise<void> {
    if (this.#acknowledged.length === 0 || !this.#chance.happens(this.#world.plan.faults.reportedAgain)) return
    const { jobId, attempt } = this.#chance.pick(this.#acknowledged)
    const what = this.#chance.pick([
      'finished',
      'deferred',
      'failed',
      'running',
      'awaiting',
      'woken',
      'returned',
      'cancelled',
    ] as const)
    const until = this.#world.timeline.clock().toISOString()
    const { answers } = await this.#post([
      { jobId, attempt, what, value: { text: '"told twice"' }, until, cause: 'user' },
    ])
    if (answers[0]!.answer === 'moved')
      this.#world.referee.broken.push(`${jobId}:${attempt} was over, and still moved when ${what} was told of it`)
  }
}

const isEnd = ({ what }: Report): boolean => ['finished', 'deferred', 'failed', 'cancelled', 'returned'].includes(what)
