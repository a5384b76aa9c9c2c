import { subscribe, unsubscribe } from 'node:diagnostics_channel'

/** undici says of every request of this process that it is made, whichever copy of undici makes it. */
const requestMade = 'undici:request:create'

/**
 * Tells of each workflow that a program in this process drives, by the requests that it makes: its SDK is a copy of its own, and a workflow
 * has no other mark of the process that drives it. @returns how to stop.
 */
export const tellDrivenWorkflows = (serverUrl: string, tell: (id: `w${number}`) => void): (() => void) => {
  const seen = new Set<string>()
  const look = (message: unknown) => {
    const { origin, path } = (message as { request: { origin?: string | URL; path?: string } }).request
    const id = /^\/v1\/workflows\/(w[1-9]\d*)\//.exec(path ?? '')?.[1]
    if (!id || seen.has(id) || String(origin).replace(/\/$/, '') !== serverUrl) return
    seen.add(id)
    tell(id as `w${number}`)
  }
  subscribe(requestMade, look)
  return () => unsubscribe(requestMade, look)
}
