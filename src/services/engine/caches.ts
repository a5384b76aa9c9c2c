import { LRUCache } from 'lru-cache'
import type { Db } from '../../store/db.ts'
import { type TaskFacts, taskFacts } from '../../store/tasks.ts'
import { type WorkflowOwner, workflowOwner } from '../../store/workflows.ts'

/**
 * What never changes of tasks, the most recently used of them: those whose jobs are claimed and reported now. What is not here costs a claim or a report one statement for all of its
 * tasks; what is, 2 kB of a server's memory for each, and more where a task brings a megabyte of arguments that its jobs share.
 */
export class TaskCache {
  #db: Db
  #known = new LRUCache<number, TaskFacts>({
    max: 2000,
    maxSize: 16 * 2 ** 20,
    sizeCalculation: ({ payload, common }) => 500 + payload.length + (common?.length ?? 0),
  })

  constructor(db: Db) {
    this.#db = db
  }

  async get(ids: Iterable<number>, db: Db = this.#db): Promise<Map<number, TaskFacts>> {
    const found = new Map<number, TaskFacts>()
    const missing = new Set<number>()
    for (const id of ids) {
      const known = this.#known.get(id)
      if (known) found.set(id, known)
      else missing.add(id)
    }
    if (missing.size > 0)
      for (const facts of await taskFacts(db, [...missing])) {
        this.keep(facts)
        found.set(facts.id, facts)
      }
    return found
  }

  /** Its priority was changed. Elsewhere the old one is known for longer, where it is a hint. */
  forget(ids: number[]): void {
    for (const id of ids) this.#known.delete(id)
  }

  /** For whoever has just made the task: its first claim need not ask. */
  keep(facts: TaskFacts): void {
    this.#known.set(facts.id, facts)
  }
}

/** Whose a workflow is, which never changes; the most recently used. */
export class WorkflowCache {
  #db: Db
  #known = new LRUCache<number, WorkflowOwner>({ max: 10_000 })

  constructor(db: Db) {
    this.#db = db
  }

  /** One that was asked for before. */
  known(id: number): WorkflowOwner | undefined {
    return this.#known.get(id)
  }

  async get(id: number): Promise<WorkflowOwner | undefined> {
    const known = this.#known.get(id)
    if (known) return known
    const found = await workflowOwner(this.#db, id)
    if (found) this.#known.set(id, found)
    return found
  }
}
