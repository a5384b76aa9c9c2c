import { useState } from 'react'
import { plural } from '../../words/numbers.ts'
import type { Column } from '../table.tsx'
import type { Target } from './act.ts'
import { ActionsMenu } from './actions.tsx'

type Options<Row> = { targetOf: (row: Row) => Target; mayPick: (row: Row) => boolean; noun: string }

/** Rows of a list that were picked, to do something to all of them: the column that picks, and what stands beside the title of the list. */
export const usePicked = <Row,>(rows: Row[], { targetOf, mayPick, noun }: Options<Row>) => {
  const [ids, setIds] = useState<ReadonlySet<string>>(new Set())
  const pickable = rows.filter(mayPick).map(targetOf)
  const targets = pickable.filter(({ id }) => ids.has(id))
  const toggle = (id: string) => {
    const next = new Set(ids)
    if (!next.delete(id)) next.add(id)
    setIds(next)
  }
  const column: Column<Row> = {
    id: 'pick',
    title: 'Pick',
    width: '3.2rem',
    isWide: true,
    cell: (row) => {
      const { id } = targetOf(row)
      return (
        mayPick(row) && (
          <input type="checkbox" aria-label={`Pick ${id}`} checked={ids.has(id)} onChange={() => toggle(id)} />
        )
      )
    },
  }
  const tools = targets.length > 0 && (
    <>
      <span className="soft">{plural(targets.length, noun)} picked</span>
      <ActionsMenu targets={targets} title="Act on these" />
      <button type="button" className="quiet" onClick={() => setIds(new Set(pickable.map(({ id }) => id)))}>
        All of these
      </button>
      <button type="button" className="quiet" onClick={() => setIds(new Set())}>
        None
      </button>
    </>
  )
  return { column, tools }
}

/** The columns of a list with the one that picks before them, when anything can be picked. */
export const withPicks = <Row,>(columns: Column<Row>[], pick: Column<Row>, isAny: boolean): Column<Row>[] =>
  isAny ? [pick, ...columns] : columns
