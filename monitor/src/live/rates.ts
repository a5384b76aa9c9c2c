import type { QueryClient } from '@tanstack/react-query'
import type { Frame } from '../../../src/contract/frames.ts'
import type { Queue } from '../../../src/contract/pilots.ts'
import { makeCell, useCell } from '../api/cell.ts'
import { link } from '../api/link.ts'

/** A sample each second: how many jobs finished and failed in it, and how many ran and waited. */
export type Rates = { finished: number[]; failed: number[]; running: number[]; waiting: number[] }

const mostSamples = 150
const sampleMs = 1000

/** What was seen since this tab was opened; it outlasts going to another page and back. */
const rates = makeCell<Rates>({ finished: [], failed: [], running: [], waiting: [] })
const ended = { finished: 0, failed: 0 }

export const noteEnded = ({ finished, failed }: Frame['ended']) => {
  ended.finished += finished
  ended.failed += failed
}

/** Takes samples as long as the experiment is followed and the server answers. */
export const sampleRates = (client: QueryClient, signal: AbortSignal) => {
  let before = performance.now()
  const timer = setInterval(() => {
    const now = performance.now()
    const seconds = (now - before) / 1000
    before = now
    const { items = [] } = client.getQueryData<{ items: Queue[] }>(['queues']) ?? {}
    const sum = (of: (queue: Queue) => number) => items.reduce((n, queue) => n + of(queue), 0)
    // After a pause, as of a hidden tab, a mean over it says nothing of now.
    if (link.read() === 'live' && seconds < 15)
      take({
        finished: ended.finished / seconds,
        failed: ended.failed / seconds,
        running: sum(({ running }) => running),
        waiting: sum(({ waiting }) => waiting),
      })
    Object.assign(ended, { finished: 0, failed: 0 })
  }, sampleMs)
  signal.addEventListener('abort', () => clearInterval(timer))
}

const take = (sample: Record<keyof Rates, number>) => {
  const { finished, failed, running, waiting } = rates.read()
  rates.write({
    finished: [...finished, sample.finished].slice(-mostSamples),
    failed: [...failed, sample.failed].slice(-mostSamples),
    running: [...running, sample.running].slice(-mostSamples),
    waiting: [...waiting, sample.waiting].slice(-mostSamples),
  })
}

export const useRates = (): Rates => useCell(rates)
