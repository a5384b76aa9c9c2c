import { useMemo } from 'react'

/** How much ran and waited at each look since this page was opened; it outlasts going to another page and back. */
const seen: { at: string; running: number[]; waiting: number[] } = { at: '', running: [], waiting: [] }

const mostSamples = 150

/** Takes a sample whenever there is a newer answer. */
export const useSeen = ({ at, running, waiting }: { at: string; running: number; waiting: number }) =>
  useMemo(() => {
    if (at > seen.at) {
      seen.at = at
      seen.running = [...seen.running, running].slice(-mostSamples)
      seen.waiting = [...seen.waiting, waiting].slice(-mostSamples)
    }
    return { running: seen.running, waiting: seen.waiting }
  }, [at, running, waiting])
