import { type Filter, windows } from './window.ts'

/** How far back is looked. */
export const WindowChoice = ({
  filter,
  setFilter,
}: {
  filter: Filter
  setFilter: (change: Partial<Filter>) => void
}) => (
  <select
    aria-label="Window"
    value={filter.hours}
    onChange={(event) => setFilter({ hours: Number(event.target.value) })}
  >
    {windows.map(({ hours, title }) => (
      <option key={hours} value={hours}>
        {title}
      </option>
    ))}
  </select>
)
