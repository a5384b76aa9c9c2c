import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useLocation } from 'wouter'
import { recentWorkflowsQuery } from '../api/queries.ts'
import { Dialog } from '../parts/dialog.tsx'
import { State } from '../parts/state.tsx'
import { idPattern, nounOf } from '../words/ids.ts'
import { places } from './routes.tsx'

type Found = { path: string; title: string; aside?: React.ReactNode }

/** Goes to anything by its id, to places by their names, and to recent workflows by name, owner or program. */
export const Finder = ({ close }: { close: () => void }) => {
  const [text, setText] = useState('')
  const [chosen, setChosen] = useState(0)
  const [, go] = useLocation()
  const found = useFound(text.trim().toLowerCase())
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
        placeholder="w12, t34, j56, or a name"
        value={text}
        onChange={(event) => {
          setText(event.target.value)
          setChosen(0)
        }}
        onKeyDown={pressed}
      />
      <div id="found" role="listbox" aria-label="Found">
        {found.map(({ path, title, aside }, i) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the keys are those of the field
          <div
            key={path}
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

const useFound = (text: string): Found[] => {
  const { data } = useQuery(recentWorkflowsQuery({}))
  if (idPattern.test(text)) return [{ path: `/${text}`, title: text, aside: nounOf(text) }]
  const has = (...words: (string | null)[]) => words.some((word) => word?.toLowerCase().includes(text))
  return [
    ...places.filter(({ title }) => has(title)).map(({ path, title }) => ({ path, title, aside: 'page' })),
    ...(data?.items ?? [])
      .filter((workflow) => has(workflow.name, workflow.owner, workflow.program, workflow.id))
      .slice(0, 12)
      .map(({ id, name, owner, state }) => ({
        path: `/${id}`,
        title: `${name} ${id}`,
        aside: (
          <>
            {owner} <State state={state} />
          </>
        ),
      })),
  ]
}
