import { useEffect, useRef, useState } from 'react'

type Item = { key: string; title: string; isGrave?: boolean }
type Props = { title: string; items: Item[]; choose: (key: string) => void }

/** A button that opens a list of what can be done; arrows walk it, Escape leaves it. */
export const Menu = ({ title, items, choose }: Props) => {
  const [isOpen, setOpen] = useState(false)
  const place = useRef<HTMLDivElement>(null)
  const button = useRef<HTMLButtonElement>(null)
  useEffect(() => {
    if (!isOpen) return
    itemsIn(place.current)[0]?.focus()
    const away = (event: PointerEvent) => !place.current?.contains(event.target as Node) && setOpen(false)
    addEventListener('pointerdown', away)
    return () => removeEventListener('pointerdown', away)
  }, [isOpen])
  const leave = () => {
    setOpen(false)
    button.current?.focus()
  }
  const pressed = (event: React.KeyboardEvent) => {
    if (event.key === 'Escape') leave()
    else if (event.key === 'Tab') setOpen(false)
    else if (walk(itemsIn(place.current), event.key)) event.preventDefault()
  }
  return (
    <div className="menu" ref={place}>
      <button
        ref={button}
        type="button"
        aria-haspopup="menu"
        aria-expanded={isOpen}
        disabled={items.length === 0}
        onClick={() => setOpen(!isOpen)}
      >
        {title} <span aria-hidden="true">▾</span>
      </button>
      {isOpen && (
        <div role="menu" aria-label={title} onKeyDown={pressed}>
          {items.map(({ key, title, isGrave }) => (
            <button
              key={key}
              type="button"
              role="menuitem"
              tabIndex={-1}
              className={isGrave ? 'state bad' : undefined}
              onClick={() => {
                leave()
                choose(key)
              }}
            >
              {title}
            </button>
          ))}
        </div>
      )}
    </div>
  )
}

const itemsIn = (place: HTMLElement | null) => [...(place?.querySelectorAll<HTMLElement>('[role=menuitem]') ?? [])]

const walk = (items: HTMLElement[], key: string): boolean => {
  const at = items.indexOf(document.activeElement as HTMLElement)
  const to = { ArrowDown: at + 1, ArrowUp: at - 1 + items.length, Home: 0, End: items.length - 1 }[key]
  if (to !== undefined) items[to % items.length]?.focus()
  return to !== undefined
}
