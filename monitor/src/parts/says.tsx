import { makeCell, useCell } from '../api/cell.ts'

/** What can still be done about what was said. */
type Offer = { title: string; act: () => unknown }

const said = makeCell<{ text: string; offer: Offer | null }>({ text: '', offer: null })
let timer: ReturnType<typeof setTimeout> | undefined

const saidMs = 6000

/** Who is offered something has time to think about it. */
const offeredMs = 15_000

/** Tells something at the lower edge for a while. */
export const say = (text: string, offer: Offer | null = null) => {
  said.write({ text, offer })
  clearTimeout(timer)
  timer = setTimeout(() => said.write({ text: '', offer: null }), offer ? offeredMs : saidMs)
}

export const Says = () => {
  const { text, offer } = useCell(said)
  return (
    <div className="says" role="status">
      {text}
      {offer && (
        <button
          type="button"
          onClick={() => {
            say('')
            void offer.act()
          }}
        >
          {offer.title}
        </button>
      )}
    </div>
  )
}
