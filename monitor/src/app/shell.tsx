import { useQuery } from '@tanstack/react-query'
import { Suspense, useEffect, useRef, useState } from 'react'
import { Link, useLocation } from 'wouter'
import { useCell } from '../api/cell.ts'
import { link } from '../api/link.ts'
import { meQuery } from '../api/queries.ts'
import { endSession, session } from '../api/session.ts'
import { useWatchedExperiment } from '../live/watchExperiment.ts'
import { Dialog } from '../parts/dialog.tsx'
import { Command, Lesson } from '../parts/lesson.tsx'
import { Says } from '../parts/says.tsx'
import { KindShape } from '../parts/state.tsx'
import { Finder } from './finder.tsx'
import { KeysList, useKeys } from './keys.tsx'
import { pageAt, places } from './routes.tsx'
import { nextTheme, useTheme } from './theme.ts'

/** What is around every page. */
export const Shell = () => {
  const known = useCell(session)
  const isSignedIn = Boolean(known)
  const [path] = useLocation()
  useWatchedExperiment(isSignedIn && !hasOwnStream(path))
  const [open, setOpen] = useState<'finder' | 'keys' | null>(null)
  const close = () => setOpen(null)
  useKeys({ find: () => isSignedIn && setOpen('finder'), showKeys: () => setOpen('keys') })
  return (
    <>
      <TopBar isSignedIn={isSignedIn} find={() => setOpen('finder')} />
      {isSignedIn ? <Main /> : known === null ? <SignedOut /> : <main />}
      {known !== undefined && <Foot isSignedIn={isSignedIn} showKeys={() => setOpen('keys')} />}
      {open === 'finder' && <Finder close={close} />}
      {open === 'keys' && (
        <Dialog title="Keys" close={close}>
          <KeysList />
        </Dialog>
      )}
      <Says />
    </>
  )
}

/** The page of a workflow follows that; a tab has one stream, since a browser has six connections for all tabs of a server. */
const hasOwnStream = (path: string) => /^\/w\d/.test(path)

const TopBar = ({ isSignedIn, find }: { isSignedIn: boolean; find: () => void }) => {
  const [path] = useLocation()
  return (
    <header className="bar-top">
      <Link href="/" className="brand">
        <svg
          viewBox="0 0 16 16"
          fill="none"
          stroke="currentColor"
          strokeWidth="2.4"
          strokeLinecap="round"
          aria-hidden="true"
        >
          <path d="M6 14.5V11M6 8V4.5M6 1.5v0M9.5 8c3 0 4.5-1.5 4.5-4.5-3 0-4.5 1.5-4.5 4.5Z" />
        </svg>
        Culm
      </Link>
      <nav className="places" aria-label="Places">
        {isSignedIn &&
          places.slice(1).map((place) => (
            <Link key={place.path} href={place.path} aria-current={place.path === path ? 'page' : undefined}>
              {place.title}
            </Link>
          ))}
      </nav>
      {isSignedIn && (
        <button type="button" className="finder" onClick={find}>
          Find <kbd>/</kbd>
        </button>
      )}
      <LinkState />
      <ThemeSwitch />
    </header>
  )
}

const LinkState = () => {
  const state = useCell(link)
  if (state === 'unknown') return <span className="link-state" />
  const [kind, words] = state === 'live' ? (['good', 'live'] as const) : (['held', 'no answer, trying again'] as const)
  return (
    <span className={`link-state state ${kind}`} role="status">
      <KindShape kind={kind} />
      {words}
    </span>
  )
}

const ThemeSwitch = () => {
  const theme = useTheme()
  return (
    <button type="button" className="quiet" onClick={nextTheme} title={`Colours: ${theme}`} aria-label="Light or dark">
      <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" style={{ verticalAlign: '-0.15em' }}>
        <circle cx="8" cy="8" r="6" fill="none" stroke="currentColor" strokeWidth="1.6" />
        <path d="M8 2a6 6 0 0 1 0 12z" fill="currentColor" />
      </svg>
    </button>
  )
}

const Main = () => {
  const [path] = useLocation()
  const main = useRef<HTMLElement>(null)
  const thing = thingAt(path)
  const shown = useRef(thing)
  useEffect(() => {
    if (shown.current === thing) return
    shown.current = thing
    scrollTo(0, 0)
    main.current?.focus({ preventScroll: true })
  }, [thing])
  return (
    <main ref={main} tabIndex={-1}>
      <Suspense fallback={null}>{pageAt(path) ?? <NoPage />}</Suspense>
    </main>
  )
}

/** Views of a workflow, task or job are of the same thing; a queue and an error have addresses below those of their lists. */
const thingAt = (path: string): string => /^\/[wtj]\d+/.exec(path)?.[0] ?? path

const NoPage = () => (
  <Lesson title="There is no such page">
    <p>
      <Link href="/">Home</Link>
    </p>
  </Lesson>
)

const SignedOut = () => (
  <main>
    <Lesson title="This page needs its link">
      <p className="soft">The link bears your token. It is printed when the server starts, and again by:</p>
      <Command>culm open</Command>
      <p className="soft">No server yet? This starts one, with all it needs on this machine:</p>
      <Command>npm start</Command>
    </Lesson>
  </main>
)

const Foot = ({ isSignedIn, showKeys }: { isSignedIn: boolean; showKeys: () => void }) => {
  const { data: me } = useQuery({ ...meQuery, enabled: isSignedIn })
  return (
    <footer className="foot">
      <span>
        {me && `${me.name}, ${me.experiment}${me.roles.length > 0 ? ` (${me.roles.join(', ')})` : ''}`}
        {me && ` · Culm ${me.serverVersion}`}
      </span>
      <span>
        {isSignedIn && (
          <button type="button" className="quiet small" onClick={endSession}>
            Sign out
          </button>
        )}
        <button type="button" className="quiet small" onClick={showKeys}>
          Keys <kbd>?</kbd>
        </button>
      </span>
    </footer>
  )
}
