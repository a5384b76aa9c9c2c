import { createSortedRowModel, rowSortingFeature, tableFeatures, useTable } from '@tanstack/react-table'
import { useWindowVirtualizer } from '@tanstack/react-virtual'
import { useLayoutEffect, useMemo, useRef, useState } from 'react'

/** A column: what it is called, how wide it is, what stands in it, and by what it can be sorted. */
export type Column<Row> = {
  id: string
  title: string
  /** As CSS has it; what is left is shared by those without. */
  width?: string
  cell: (row: Row) => React.ReactNode
  sortBy?: (row: Row) => number | string
  /** The same where the screen is narrow. */
  narrow?: string
  isRight?: boolean
  /** Where the screen is narrow, of what stands in it only the shape is seen. */
  isMark?: boolean
  /** Left out where the screen is narrow. */
  isWide?: boolean
}

type Props<Row> = { label: string; rows: Row[]; columns: Column<Row>[]; keyOf: (row: Row) => string }

const features = tableFeatures({ rowSortingFeature, sortedRowModel: createSortedRowModel() })
const rowHeight = 35

/** A table of any length: only the rows in sight are there. */
export const Table = <Row extends object>({ label, rows, columns, keyOf }: Props<Row>) => {
  const table = useTable({
    features,
    data: rows,
    columns: useMemo(
      () =>
        columns.map(({ id, sortBy }) => ({
          id,
          accessorFn: (row: Row) => sortBy?.(row) ?? '',
          enableSorting: sortBy !== undefined,
        })),
      [columns],
    ),
    getRowId: keyOf,
  })
  const sorted = table.getRowModel().rows
  const { place, items, before, after } = useRowsInSight(sorted.length)
  return (
    <table className="table" aria-label={label} aria-rowcount={sorted.length}>
      <colgroup>
        {columns.map((column) => (
          <col key={column.id} className={classOf(column)} style={widthsOf(column)} />
        ))}
      </colgroup>
      <thead>
        <tr>
          {columns.map((column) => (
            <Head key={column.id} column={column} sorting={table.getColumn(column.id)} />
          ))}
        </tr>
      </thead>
      <tbody ref={place}>
        <Spacer height={before} />
        {items.map((index) => {
          const row = sorted[index]!
          return (
            <tr key={row.id} aria-rowindex={index + 1}>
              {columns.map((column) => (
                <td key={column.id} className={classOf(column)}>
                  {column.cell(row.original as Row)}
                </td>
              ))}
            </tr>
          )
        })}
        <Spacer height={after} />
      </tbody>
    </table>
  )
}

const classOf = <Row,>({ isRight, isWide, isMark }: Column<Row>) =>
  [isRight && 'right', isWide && 'wide', isMark && 'mark'].filter(Boolean).join(' ')

const widthsOf = <Row,>({ width, narrow = width }: Column<Row>) =>
  ({ '--width': width, '--narrow': narrow }) as React.CSSProperties

type Sorting = { getIsSorted: () => false | 'asc' | 'desc'; toggleSorting: () => void; getCanSort: () => boolean }

const words = { asc: 'ascending', desc: 'descending' } as const
const arrows = { asc: ' ↑', desc: ' ↓' } as const

const Head = <Row,>({ column, sorting }: { column: Column<Row>; sorting: Sorting | undefined }) => {
  const sorted = sorting?.getIsSorted() ?? false
  return (
    <th className={classOf(column)} aria-sort={sorted ? words[sorted] : undefined} scope="col">
      {sorting?.getCanSort() ? (
        <button type="button" onClick={() => sorting.toggleSorting()}>
          {column.title}
          {sorted && arrows[sorted]}
        </button>
      ) : (
        column.title
      )}
    </th>
  )
}

/** Spans no columns: those that a narrow screen leaves out would get room by it. */
const Spacer = ({ height }: { height: number }) =>
  height > 0 && (
    <tr>
      <td className="spacer" style={{ height }} />
    </tr>
  )

/** Which rows the window shows, and how much room the others take. */
const useRowsInSight = (count: number) => {
  const place = useRef<HTMLTableSectionElement>(null)
  const [scrollMargin, setScrollMargin] = useState(0)
  useLayoutEffect(() => {
    const top = place.current ? place.current.getBoundingClientRect().top + scrollY : 0
    setScrollMargin((old) => (Math.abs(old - top) > 1 ? top : old))
  })
  const virtualizer = useWindowVirtualizer({ count, estimateSize: () => rowHeight, overscan: 12, scrollMargin })
  const all = virtualizer.getVirtualItems()
  const [first, last] = [all[0], all.at(-1)]
  return {
    place,
    items: all.map(({ index }) => index),
    before: first ? first.start - scrollMargin : 0,
    after: last ? virtualizer.getTotalSize() - (last.end - scrollMargin) : 0,
  }
}
