import { makeStoredCell } from './cell.ts'

/**
 * Who looks: the token, kept for this tab. It survives a reload and is gone with the tab; in localStorage it would outlive the server, for whatever
 * program answers on this port of this machine next.
 */
export const token = makeStoredCell(sessionStorage, 'culm.token')

const signIn = (given: string) => token.write(given)
export const signOut = () => token.write(null)

/** A tab that was opened from a link in another has a storage of its own, and asks the others. */
const tabs = new BroadcastChannel('culm')
tabs.onmessage = ({ data }: MessageEvent<{ asks?: boolean; token?: string }>) => {
  const own = token.read()
  if (data.asks && own) tabs.postMessage({ token: own })
  if (data.token && !own) signIn(data.token)
}

/** The link has the token in its fragment, which no server sees; it leaves the address before anyone reads it there. */
const takeToken = () => {
  const given = new URLSearchParams(location.hash.slice(1))
  const its = given.get('token')
  if (!its) return
  const id = given.get('id') ?? ''
  history.replaceState(null, '', /^[wtj][1-9]\d*$/.test(id) ? `/${id}` : location.pathname)
  signIn(its)
}

export const openSession = () => {
  addEventListener('hashchange', takeToken)
  takeToken()
  if (!token.read()) tabs.postMessage({ asks: true })
}
