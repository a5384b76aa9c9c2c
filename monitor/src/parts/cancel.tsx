import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { ask, type Problem } from '../api/ask.ts'
import { type JobId, meQuery, type TaskId, type WorkflowId } from '../api/queries.ts'
import { type Counts, runningIn, waitingIn } from '../states/counts.ts'
import { nounOf } from '../words/ids.ts'
import { count, plural } from '../words/numbers.ts'
import { Dialog } from './dialog.tsx'
import { say } from './says.tsx'

type Props = { id: WorkflowId | TaskId | JobId; owner: string; group?: string; counts: Counts }

/** Cancels after a look at what it touches. It is there for who may: the server has the last word. */
export const CancelButton = ({ id, owner, group, counts }: Props) => {
  const [isAsking, setAsking] = useState(false)
  const client = useQueryClient()
  const { data: me } = useQuery(meQuery)
  const mayBe = me && (me.name === owner || me.roles.length > 0 || (group !== undefined && me.groups.includes(group)))
  if (!mayBe) return null
  const cancel = async () => {
    setAsking(false)
    await cancelThing(id).then(told, refused)
    await client.invalidateQueries()
  }
  return (
    <>
      <button type="button" className="state bad" onClick={() => setAsking(true)}>
        Cancel
      </button>
      {isAsking && (
        <Dialog title={`Cancel ${id}?`} close={() => setAsking(false)}>
          <h2>Cancel {id}?</h2>
          <Touched counts={counts} />
          <div className="tools">
            <button type="button" onClick={() => setAsking(false)}>
              Keep it
            </button>
            <button type="button" className="state bad" onClick={cancel}>
              Cancel the {nounOf(id)}
            </button>
          </div>
        </Dialog>
      )}
    </>
  )
}

/** What a cancel does to the jobs as they are now. */
const Touched = ({ counts }: { counts: Counts }) => {
  const held = runningIn(counts) + (counts.awaiting ?? 0)
  return (
    <ul>
      {waitingIn(counts) > 0 && <li>{plural(waitingIn(counts), 'job')} that wait will not run.</li>}
      {held > 0 && <li>{plural(held, 'job')} that run are ended by their pilot, and their results are lost.</li>}
      {(counts.finished ?? 0) > 0 && <li>{plural(counts.finished!, 'job')} that have finished stay as they are.</li>}
      <li className="soft">This cannot be undone.</li>
    </ul>
  )
}

const cancelThing = (id: string) => {
  const body = { why: 'cancelled from the monitor' }
  if (id.startsWith('w')) return ask('POST /v1/workflows/:id/cancel', { params: { id: id as WorkflowId }, body })
  if (id.startsWith('t')) return ask('POST /v1/tasks/:id/cancel', { params: { id: id as TaskId }, body })
  return ask('POST /v1/jobs/:id/cancel', { params: { id: id as JobId }, body })
}

const told = ({ cancelled, asked }: { cancelled: number; asked: number }) =>
  say(`${plural(cancelled, 'job')} cancelled${asked > 0 ? `, ${count(asked)} running asked to end` : ''}`)

const refused = ({ message, help }: Problem) => say([message, help].filter(Boolean).join(' · '))
