import { isFinal, send } from '../api/ask.ts'

type Options<Notice> = { signal: AbortSignal; opened: () => void; heard: (notice: Notice) => void }

/** Follows a stream of notices, resuming where it broke off; unlike an EventSource it notices when the other side is silent, and says why it was refused. */
export const follow = async <Notice>(address: string, { signal, opened, heard }: Options<Notice>) => {
  let cursor: string | undefined
  for (let waitMs = 500; !signal.aborted; waitMs = Math.min(10_000, waitMs * 2)) {
    await untilSeen(signal)
    const connection = connectionWhile(signal)
    try {
      const headers: HeadersInit = cursor ? { 'last-event-id': cursor } : {}
      const answer = await send(address, { method: 'GET', headers, signal: connection.signal })
      opened()
      for await (const { id, event, data } of eventsIn(answer.body!)) {
        connection.alive()
        waitMs = 250
        cursor = id ?? cursor
        if (event && data) heard({ kind: event, data: JSON.parse(data) } as Notice)
      }
    } catch (error) {
      if (isFinal(error)) return
    } finally {
      connection.end()
    }
    await sleep(waitMs * (0.5 + Math.random() / 2), signal)
  }
}

/** The server pings every 15 s: after 40 s of silence a connection is dead, whatever the network says. */
const silenceMs = 40_000

/** Holds while the view is there and the tab is seen: a browser has six connections for all tabs of a server. */
const connectionWhile = (signal: AbortSignal) => {
  const own = new AbortController()
  const end = () => own.abort()
  let timer = setTimeout(end, silenceMs)
  signal.addEventListener('abort', end)
  document.addEventListener('visibilitychange', end)
  return {
    signal: own.signal,
    alive: () => {
      clearTimeout(timer)
      timer = setTimeout(end, silenceMs)
    },
    end: () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
      document.removeEventListener('visibilitychange', end)
    },
  }
}

async function* eventsIn(body: ReadableStream<Uint8Array>): AsyncGenerator<Record<string, string | undefined>> {
  const reader = body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader()
  for (let text = ''; ; ) {
    const { done, value } = await reader.read()
    if (done) return
    const blocks = (text + value).split('\n\n')
    text = blocks.pop()!
    for (const block of blocks) yield Object.fromEntries(block.split('\n').map((line) => line.split(/: (.*)/s, 2)))
  }
}

export const untilSeen = async (signal: AbortSignal) => {
  while (document.hidden && !signal.aborted) await sleep(60_000, signal)
}

/** Ends after so long, when the tab is hidden or shown, or when the view is left. */
export const sleep = (ms: number, signal: AbortSignal) =>
  new Promise<void>((resolve) => {
    const end = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
      document.removeEventListener('visibilitychange', end)
      resolve()
    }
    const timer = setTimeout(end, ms)
    signal.addEventListener('abort', end)
    document.addEventListener('visibilitychange', end)
  })
