import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { isFinal } from '../../api/ask.ts'
import { type Action, actionWords, touchedLines } from '../../states/actions.ts'
import { nounOf } from '../../words/ids.ts'
import { plural } from '../../words/numbers.ts'
import { Dialog } from '../dialog.tsx'
import { say } from '../says.tsx'
import { act, type Outcome, preview, sumOfTouches, type Target, undoOf } from './act.ts'

type Props = { action: Action; targets: Target[]; close: () => void }

/** Shows what an action would touch, asks for a reason, and does it. */
export const ActionDialog = ({ action, targets, close }: Props) => {
  const client = useQueryClient()
  const [why, setWhy] = useState('')
  const [priority, setPriority] = useState(String(targets[0]?.priority ?? 1000))
  const ids = targets.map(({ id }) => id)
  const { data: outcomes } = useQuery({
    queryKey: ['preview', action, ids],
    queryFn: () => preview(targets, { action, priority: Number(priority) }),
    gcTime: 0,
  })
  const { title, means } = actionWords[action]
  const named = namesOf(targets)
  const may = outcomes?.filter(({ touches }) => touches) ?? []
  const isFit = action !== 'priority' || (/^\d{1,4}$/.test(priority) && Number(priority) <= 8000)
  const doIt = async () => {
    close()
    const wanted = { action, why: why.trim(), priority: Number(priority) }
    const done = await act(
      may.map(({ target }) => target),
      wanted,
    )
    tell(done, wanted, () => client.invalidateQueries())
    await client.invalidateQueries()
  }
  return (
    <Dialog title={`${title}: ${named}`} close={close} className="action">
      <form
        onSubmit={(event) => {
          event.preventDefault()
          void doIt()
        }}
      >
        <h2>
          {title}: {named}
        </h2>
        <p className="soft">{means}</p>
        <Preview action={action} outcomes={outcomes} />
        {action === 'priority' && (
          <label>
            Priority
            <input
              type="number"
              min={0}
              max={8000}
              value={priority}
              onChange={(event) => setPriority(event.target.value)}
            />
          </label>
        )}
        <label>
          Reason, for those who look at it later
          <input value={why} maxLength={400} placeholder="optional" onChange={(event) => setWhy(event.target.value)} />
        </label>
        <div className="tools">
          <button type="button" onClick={close}>
            Leave it
          </button>
          <button
            type="submit"
            className={action === 'cancel' ? 'state bad' : undefined}
            disabled={may.length === 0 || !isFit}
          >
            {title}
          </button>
        </div>
      </form>
    </Dialog>
  )
}

const namesOf = (targets: Target[]) =>
  targets.length === 1 ? targets[0]!.id : plural(targets.length, nounOf(targets[0]!.id))

/** As high before the server has said as after. */
const Preview = ({ action, outcomes }: { action: Action; outcomes: Outcome[] | undefined }) => {
  const refused = outcomes?.filter(({ problem }) => problem) ?? []
  const isAnyDone = outcomes !== undefined && refused.length < outcomes.length
  return (
    <ul className="preview" aria-live="polite">
      {!outcomes && <li className="soft">looking …</li>}
      {isAnyDone && touchedLines(action, sumOfTouches(outcomes)).map((line) => <li key={line}>{line}</li>)}
      {refused.slice(0, 3).map(({ target, problem }) => (
        <li key={target.id} className="soft">
          not {target.id}: {problem!.message}
        </li>
      ))}
      {refused.length > 3 && <li className="soft">nor {refused.length - 3} more</li>}
    </ul>
  )
}

/** What came of it, and how it is taken back. */
const tell = (outcomes: Outcome[], wanted: Parameters<typeof undoOf>[0], changed: () => Promise<void>) => {
  const done = outcomes.filter(({ problem }) => !problem).map(({ target }) => target)
  const refused = outcomes.find(({ problem }) => problem)?.problem
  const words = [
    ...(done.length > 0 ? [`${namesOf(done)} ${actionWords[wanted.action].done}`] : []),
    ...(refused ? [isFinal(refused) ? refused.message : 'the server does not answer'] : []),
  ].join(' · ')
  const back = done.length > 0 ? undoOf(wanted, done) : null
  say(
    words,
    back && {
      title: back.title,
      act: async () => {
        const problem = (await back.undo()).find((outcome) => outcome.problem)?.problem
        say(problem ? problem.message : 'taken back')
        await changed()
      },
    },
  )
}
