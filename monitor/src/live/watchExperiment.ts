import { type QueryClient, useQueryClient } from '@tanstack/react-query'
import { useEffect } from 'react'
import type { experimentNotices, Frame } from '../../../src/contract/frames.ts'
import { atMostEvery } from './atMostEvery.ts'
import { follow } from './follow.ts'
import { changePilots, changeQueues, changeTasks, changeWorkflows } from './lists.ts'
import { together } from './together.ts'

type Notice = { kind: 'frame'; data: Frame } | { kind: Exclude<keyof typeof experimentNotices, 'frame'> }

/** Lists, and what the first page shows, are asked for again no more often than this, ms. */
const lookAgainMs = 2000

/** Follows the whole experiment while lists may be seen: one stream for the tab, whatever pages come and go. */
export const useWatchedExperiment = (isWanted: boolean) => {
  const client = useQueryClient()
  useEffect(() => {
    if (!isWanted) return
    const leaving = new AbortController()
    watchExperiment(client, leaving.signal)
    return () => leaving.abort()
  }, [client, isWanted])
}

const watchExperiment = (client: QueryClient, signal: AbortSignal) => {
  const lookAgain = atMostEvery(lookAgainMs, () => {
    // When it is seen again the stream is opened anew.
    if (document.hidden || signal.aborted) return
    for (const list of ['workflows', 'pilots', 'queues']) client.invalidateQueries({ queryKey: [list] })
  })
  const lookAtOverview = atMostEvery(lookAgainMs, () => {
    if (!document.hidden && !signal.aborted) client.invalidateQueries({ queryKey: ['overview'] })
  })
  const apply = (notices: Notice[]) => {
    const frames = notices.flatMap((notice) => (notice.kind === 'frame' ? [notice.data] : []))
    const isIncomplete = applyFrames(client, frames)
    if (frames.length > 0) lookAtOverview()
    if (isIncomplete || notices.some(({ kind }) => kind === 'lookAgain')) lookAgain()
  }
  const opened = () => {
    lookAgain()
    lookAtOverview()
  }
  follow<Notice>('/v1/stream', { signal, opened, heard: together(apply, signal) })
}

/** Writes what was heard into what pages read. True when there is more to know than was told. */
const applyFrames = (client: QueryClient, frames: Frame[]): boolean => {
  changeTasks(
    client,
    frames.flatMap(({ tasks }) => tasks),
  )
  changePilots(
    client,
    frames.flatMap(({ pilots }) => pilots),
  )
  changeQueues(
    client,
    frames.flatMap(({ queues }) => queues),
  )
  const hasFailed = changeWorkflows(
    client,
    frames.flatMap(({ workflows }) => workflows),
  )
  return hasFailed || frames.some(({ lookAgain }) => lookAgain)
}
