import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { meQuery } from '../../api/queries.ts'
import { type Action, actionsForAll, actionWords } from '../../states/actions.ts'
import { nounOf } from '../../words/ids.ts'
import type { Target } from './act.ts'
import { ActionDialog } from './actionDialog.tsx'
import { Menu } from './menu.tsx'

/** Whose a thing is; a task has no group of its own. */
export type Owned = { owner: string; group?: string }

/** Whether who looks may change a thing, as the server would say: it has the last word. */
export const useMayChange = (): ((thing: Owned) => boolean) => {
  const { data: me } = useQuery(meQuery)
  return ({ owner, group }) =>
    me !== undefined &&
    (me.name === owner || me.roles.includes('admin') || (group !== undefined && me.manages.includes(group)))
}

/** What can be done to a thing, for who may. */
export const Actions = ({ target, thing }: { target: Target; thing: Owned }) => {
  const mayChange = useMayChange()
  return mayChange(thing) && <ActionsMenu targets={[target]} title="Actions" />
}

/** The same for several that were picked from a list. */
export const ActionsMenu = ({ targets, title }: { targets: Target[]; title: string }) => {
  // What was chosen stays as it was while the dialog is open, whatever moves behind it.
  const [chosen, setChosen] = useState<{ action: Action; targets: Target[] }>()
  const actions = actionsForAll(targets.map(({ id, ...more }) => ({ noun: nounOf(id), ...more })))
  if (actions.length === 0 && !chosen) return null
  return (
    <>
      <Menu
        title={title}
        items={actions.map((action) => ({
          key: action,
          title: actionWords[action].title,
          isGrave: action === 'cancel',
        }))}
        choose={(key) => setChosen({ action: key as Action, targets })}
      />
      {chosen && <ActionDialog {...chosen} close={() => setChosen(undefined)} />}
    </>
  )
}
