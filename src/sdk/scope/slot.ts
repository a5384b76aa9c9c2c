import type { Runtime } from '../runtime.ts'

/**
 * What waiting costs the one who waits. A driver waits for free; a job gives its slot back while it waits, and asks
 * for one again when something it waited for has come.
 */
export type Slot = { wait<T>(arrived: Promise<T>): Promise<T> }

export const freeSlot: Slot = { wait: (arrived) => arrived }

/**
 * The slot of a job. It is given back when the code of the job awaits at least one call and has had a full turn of
 * the event loop to do something else; it is taken again before anything that was awaited is delivered, all that came
 * meanwhile together. When awaited calls are still out after the delivery (`Promise.all`), it is given back again.
 *
 * An approximation: code that computes *beside* its awaited calls (a timer, a file being read, another branch of a
 * `Promise.all`) does so without a slot.
 */
export const jobSlot = ({ awaiting, woken }: Required<Pick<Runtime, 'awaiting' | 'woken'>>): Slot => {
  let awaited = 0
  let given = false
  let checking = false
  let taking: Promise<void> | undefined

  const giveLater = () => {
    if (checking) return
    checking = true
    setImmediate(() => {
      checking = false
      if (awaited === 0 || given || taking) return
      given = true
      awaiting()
    })
  }

  const take = (): Promise<void> => {
    if (!given) return taking ?? Promise.resolve()
    given = false
    taking = woken().finally(() => {
      taking = undefined
    })
    return taking
  }

  return {
    async wait(arrived) {
      awaited++
      giveLater()
      try {
        await arrived
      } finally {
        await take()
        awaited--
        giveLater()
      }
      return arrived
    },
  }
}
