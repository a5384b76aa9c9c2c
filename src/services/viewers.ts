/** Who looks at an experiment in this process. What is sent is the same bytes for all of them. */
export class Viewers {
  #byExperiment = new Map<number, Set<(frame: Buffer) => void>>()

  subscribe(experimentId: number, send: (frame: Buffer) => void): () => void {
    const viewers = this.#byExperiment.get(experimentId) ?? new Set()
    viewers.add(send)
    this.#byExperiment.set(experimentId, viewers)
    return () => {
      viewers.delete(send)
      if (viewers.size === 0) this.#byExperiment.delete(experimentId)
    }
  }

  /** How many look. */
  get size(): number {
    return [...this.#byExperiment.values()].reduce((n, viewers) => n + viewers.size, 0)
  }

  /** Those that somebody looks at. */
  get experiments(): number[] {
    return [...this.#byExperiment.keys()]
  }

  send(experimentId: number, frame: Buffer): void {
    for (const send of this.#byExperiment.get(experimentId) ?? []) send(frame)
  }
}
