import type { Move } from '../../../src/contract/jobs.ts'
import type { JobId, WorkflowId } from '../api/queries.ts'
import { signOf, useStory } from '../live/story.ts'
import { State } from '../parts/state.tsx'
import { type Column, Table } from '../parts/table.tsx'
import { Linked, Thing } from '../parts/thing.tsx'
import { When } from '../parts/time.tsx'

const columns: Column<Move>[] = [
  { id: 'when', title: 'When', width: '8rem', cell: ({ at }) => <When at={at} /> },
  { id: 'what', title: 'What', width: '6rem', cell: ({ id }) => <Thing id={id} /> },
  { id: 'from', title: 'From', width: '8rem', cell: ({ from }) => <span className="soft">{from}</span>, isWide: true },
  { id: 'to', title: 'To', width: '8rem', cell: ({ to, noun }) => <State state={to} noun={noun} /> },
  { id: 'by', title: 'By', width: '11rem', cell: ({ trigger }) => trigger, isWide: true },
  { id: 'why', title: 'Why', cell: ({ why }) => <span title={why ?? ''}>{why && <Linked text={why} />}</span> },
]

/** Every move of a thing. */
export const StoryView = ({ id, everyMs = false }: { id: WorkflowId | JobId; everyMs?: number | false }) => {
  const { moves, more, isRead, isFull } = useStory(id, everyMs)
  return (
    <>
      {moves.length > 0 && <Table label="Story" rows={moves} columns={columns} keyOf={signOf} />}
      {isRead && moves.length === 0 && <p className="nothing">Nothing has moved yet.</p>}
      {isFull && <p className="nothing">More has happened since: open the page anew to read on.</p>}
      {more && (
        <div className="more">
          <button type="button" onClick={more}>
            Show later ones
          </button>
        </div>
      )}
    </>
  )
}
