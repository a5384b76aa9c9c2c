/** Who looks at an experiment in this process. What is sent is the same bytes for all of them. */
export class Viewers {
  #byExperiment = new Map<number, Set<(frame: Buffer) => void>>()
  #sent = new Map<number, number>()

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

  /** How many frames there were of an experiment: what was read before the last of them is old. */
  sentOf(experimentId: number): number {
    return this.#sent.get(experimentId) ?? 0
  }

  send(experimentId: number, frame: Buffer): void {
    this.#sent.set(experimentId, this.sentOf(experimentId) + 1)
    for (const send of this.#byExperiment.get(experimentId) ?? []) send(frame)
  }
}
