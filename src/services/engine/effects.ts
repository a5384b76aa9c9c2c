import type { Move, Outcome } from '../../contract/jobs.ts'
import type { BellKey, Engine } from './engine.ts'
import type { FailedAttempt } from './noteTroubles.ts'

export type PublishedOutcome = { workflowId: number; parentJobId: number | null; outcome: Outcome }
export type PublishedMove = { workflowId: number; move: Move }

/** What others should hear once a transaction has committed; dropped with it when it has not. */
export class Effects {
  #rings = new Set<BellKey>()
  #acts: ((engine: Engine) => void)[] = []
  outcomes: PublishedOutcome[] = []
  moves: PublishedMove[] = []
  /** Attempts that failed or were lost: noted before the commit, all of a transaction together. */
  failed: FailedAttempt[] = []

  ring(...keys: BellKey[]): void {
    for (const key of keys) this.#rings.add(key)
  }

  /** A task's counters changed. */
  progress(workflowId: number, taskId: number): void {
    this.#acts.push((engine) => engine.hub.progress(workflowId, taskId))
  }

  /** For hints in memory that must not run ahead of the commit; other processes hear the bell. */
  afterwards(act: () => void, ...keys: BellKey[]): void {
    this.#acts.push(act)
    this.ring(...keys)
  }

  tellTo(engine: Engine): void {
    for (const act of this.#acts) act(engine)
    for (const outcome of this.outcomes) engine.hub.outcome(outcome)
    for (const move of this.moves) engine.hub.move(move)
    if (this.#rings.size > 0) engine.ring([...this.#rings])
    if (this.outcomes.length > 0 || this.moves.length > 0) engine.ringOthers(['agent:tail'])
  }
}
