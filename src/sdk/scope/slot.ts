import type { Runtime } from '../runtime.ts'

/**
 * What waiting costs the one who waits. A driver waits for free; a job gives its slot back while it waits, and asks for one again when there is something to
 * tell it.
 */
export type Slot = {
  /** The code waits, and there is nothing to tell it. */
  give(): void
  /** Resolves when there is a slot; undefined when there is one now. */
  take(): Promise<void> | undefined
}

export const freeSlot: Slot = { give: () => {}, take: () => undefined }

/**
 * The slot of a job.
 *
 * An approximation: code that computes *beside* its awaited calls (a timer, a file being read, another branch of a
 * `Promise.all`) does so without a slot.
 */
export const jobSlot = ({ awaiting, woken }: Required<Pick<Runtime, 'awaiting' | 'woken'>>): Slot => {
  let isGiven = false
  return {
    give() {
      if (isGiven) return
      isGiven = true
      awaiting()
    },
    take() {
      if (!isGiven) return undefined
      return woken().then(() => {
        isGiven = false
      })
    },
  }
}
