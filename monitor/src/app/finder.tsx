import { useQuery } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { useLocation } from 'wouter'
import type { Hit } from '../../../src/contract/search.ts'
import { searchQuery } from '../api/queries.ts'
import { Dialog } from '../parts/dialog.tsx'
import { State } from '../parts/state.tsx'
import { queuePath } from '../parts/thing.tsx'
import { idPattern, nounOf } from '../words/ids.ts'
import { places } from './routes.tsx'

type Found = { path: string; key?: string; title: string; aside?: React.ReactNode }

/** Goes to anything by its id, to places by their names, and to what the server finds by name, label or the text of an error. */
export const Finder = ({ close }: { close: () => void }) => {
  const [text, setText] = useState('')
  const [chosen, setChosen] = useState(0)
  const [, go] = useLocation()
  const found = useFound(text.trim())
  const open = (path: string) => {
    close()
    go(path)
  }
  const pressed = (event: React.KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    if (step) setChosen((chosen + step + found.length) % Math.max(1, found.length))
    else if (event.key === 'Enter' && found[chosen]) open(found[chosen].path)
    else return
    event.preventDefault()
  }
  return (
    <Dialog title="Find" close={close} className="finding">
      <input
        autoFocus
        type="search"
        role="combobox"
        aria-label="Find"
        aria-expanded="true"
        aria-controls="found"
        aria-activedescendant={found[chosen] && `found-${chosen}`}
        placeholder="w12, t34, j56, a name, label=value, or what an error says"
        value={text}
        onChange={(event) => {
          setText(event.target.value)
          setChosen(0)
        }}
        onKeyDown={pressed}
      />
      <div id="found" role="listbox" aria-label="Found">
        {found.map(({ path, key = path, title, aside }, i) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the keys are those of the field
          <div
            key={key}
            id={`found-${i}`}
            role="option"
            aria-selected={i === chosen}
            tabIndex={-1}
            onClick={() => open(path)}
          >
            <span>{title}</span>
            <span className="soft">{aside}</span>
          </div>
        ))}
      </div>
    </Dialog>
  )
}

const useFound = (words: string): Found[] => {
  const asked = useSettled(words)
  const text = words.toLowerCase()
  const { data } = useQuery(searchQuery(asked))
  const goesTo = idPattern.test(text) ? [{ path: `/${text}`, title: text, aside: nounOf(text) }] : []
  const pages = places
    .filter(({ title }) => title.toLowerCase().includes(text))
    .map(({ path, title }) => ({ path, title, aside: 'page' }))
  const hits = asked === '' ? [] : (data?.items ?? []).filter(({ id }) => id !== text).map(foundOf)
  return [...goesTo, ...pages, ...hits]
}

/** Where a hit leads to: things have pages, and the others are found on pages. */
const pathOf = ({ kind, id, name }: Hit) => {
  if (kind === 'trouble') return `/errors/${id}`
  if (kind === 'user') return `/workflows?${new URLSearchParams({ owner: name })}`
  if (kind === 'queue') return queuePath(name)
  return kind === 'pilot' ? '/queues' : `/${id}`
}

/** On its pages a trouble is an error. */
const wordOf = ({ kind }: Hit) => (kind === 'trouble' ? 'error' : kind)

const foundOf = (hit: Hit): Found => ({
  path: pathOf(hit),
  key: `${hit.kind} ${hit.id ?? hit.name}`,
  title: [hit.name, hit.id].filter(Boolean).join(' '),
  aside: (
    <>
      {hit.label ?? wordOf(hit)} {hit.owner} {hit.state && <State state={hit.state} noun={hit.kind} />}
    </>
  ),
})

/** So long nothing more is typed before the server is asked, ms. */
const settledMs = 120

const useSettled = (text: string) => {
  const [settled, setSettled] = useState(text)
  useEffect(() => {
    const timer = setTimeout(() => setSettled(text), settledMs)
    return () => clearTimeout(timer)
  }, [text])
  return settled
}
