import { useEffect } from 'react'
import { useLocation } from 'wouter'

/** After `g`, so long the second key may take, ms. */
const secondKeyMs = 1200

const ways: Record<string, { path: string; title: string }> = {
  h: { path: '/', title: 'home' },
  w: { path: '/workflows', title: 'workflows' },
  e: { path: '/errors', title: 'errors' },
  q: { path: '/queues', title: 'queues and pilots' },
  r: { path: '/reports', title: 'reports' },
  u: { path: '/users', title: 'users' },
}

const isTyping = ({ target }: KeyboardEvent) =>
  target instanceof HTMLElement && target.closest('input, select, textarea, dialog') !== null

/** Keys that hold everywhere but where somebody types. */
export const useKeys = ({ find, showKeys }: { find: () => void; showKeys: () => void }) => {
  const [, go] = useLocation()
  useEffect(() => {
    let wentAt = Number.NEGATIVE_INFINITY
    const pressed = (event: KeyboardEvent) => {
      if (isTyping(event) || event.ctrlKey || event.metaKey || event.altKey) return
      const way = event.timeStamp - wentAt < secondKeyMs ? ways[event.key] : undefined
      wentAt = event.key === 'g' ? event.timeStamp : Number.NEGATIVE_INFINITY
      if (way) go(way.path)
      else if (event.key === '?') showKeys()
      else if (event.key === '/') {
        event.preventDefault()
        find()
      }
    }
    addEventListener('keydown', pressed)
    return () => removeEventListener('keydown', pressed)
  })
}

const list: [string[], string][] = [
  [['/'], 'find a workflow, task or job'],
  ...Object.entries(ways).map(([key, { title }]): [string[], string] => [['g', key], `go to ${title}`]),
  [['?'], 'these keys'],
  [['←', '↑', '↓', '→'], 'in the graph: go from node to node'],
  [['+', '-', '0'], 'in the graph: nearer, farther, all of it'],
  [['Enter'], 'in the graph: open the node, or unfold it'],
]

export const KeysList = () => (
  <>
    <h2>Keys</h2>
    <dl className="keys-list">
      {list.map(([keys, what]) => (
        <div key={what} style={{ display: 'contents' }}>
          <dt>
            {keys.map((key) => (
              <kbd key={key}>{key}</kbd>
            ))}
          </dt>
          <dd>{what}</dd>
        </div>
      ))}
    </dl>
  </>
)
