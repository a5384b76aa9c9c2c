import type { Session } from '../../../src/contract/people.ts'
import { makeCell } from './cell.ts'

/**
 * Who looks. The browser keeps him, as a cookie that no script can read; the page keeps only the word by which the server knows that it is the page who writes. `undefined` until the
 * server has said, null when it knows nobody.
 */
export const session = makeCell<Session | null | undefined>(undefined)

export const signOut = () => session.write(null)

/** Tabs share the cookie: what one of them has changed, the others read again. */
const tabs = new BroadcastChannel('culm')
tabs.onmessage = () => void readSession()

/** The link has the token in its fragment, which no server sees; it leaves the address before anyone reads it there, and is exchanged for the cookie. */
const takeToken = (): string | null => {
  const given = new URLSearchParams(location.hash.slice(1))
  const token = given.get('token')
  if (!token) return null
  const id = given.get('id') ?? ''
  history.replaceState(null, '', /^[wtj][1-9]\d*$/.test(id) ? `/${id}` : location.pathname)
  return token
}

const retryMs = 2000

/** What the server says to this, however long it is away; null when it knows nobody by it. */
const hear = async (init: RequestInit): Promise<Session | null> => {
  for (;;) {
    const answer = await fetch('/v1/session', init).catch(() => null)
    if (answer?.ok) return answer.json()
    if (answer && answer.status < 500) return null
    await new Promise((resolve) => setTimeout(resolve, retryMs))
  }
}

const become = (next: Session | null) => {
  const before = session.read()
  session.write(next)
  // What is on the page is of somebody else.
  if (before && next && (before.name !== next.name || before.experiment !== next.experiment)) location.reload()
}

const readSession = async () => become(await hear({}))

const signIn = async (token: string) => {
  become(await hear({ method: 'POST', headers: { authorization: `Bearer ${token}` } }))
  tabs.postMessage('changed')
}

/** Ends the session for all tabs of this browser. */
export const endSession = async () => {
  await fetch('/v1/session', { method: 'DELETE', headers: csrfHeader() }).catch(() => {})
  signOut()
  tabs.postMessage('changed')
}

export const csrfHeader = (): Record<string, string> => {
  const csrf = session.read()?.csrf
  return csrf ? { 'x-culm-csrf': csrf } : {}
}

/** So often a page that stays open asks to be kept signed in, ms. */
const keepMs = 3_600_000

export const openSession = () => {
  const begin = () => {
    const token = takeToken()
    if (token) void signIn(token)
    else if (session.read() === undefined) void readSession()
  }
  addEventListener('hashchange', begin)
  begin()
  setInterval(() => session.read() && void readSession(), keepMs)
}
