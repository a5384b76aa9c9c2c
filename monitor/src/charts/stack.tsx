/** One band: its colour, and how high it is at each time. */
export type Band = { name: string; kind: string; values: readonly number[] }
type Props = { label: string; times: readonly number[]; bands: readonly Band[]; from: string; to: string }

const [width, height] = [1000, 160]

/** Bands on each other over time, the first at the bottom. Between two times a band stays as it was. */
export const Stack = ({ label, times, bands, from, to }: Props) => {
  const sums = times.map((_, i) => bands.reduce((sum, { values }) => sum + values[i]!, 0))
  const top = Math.max(1, ...sums)
  const [begin, end] = [times[0]!, times.at(-1)!]
  const x = times.map((at) => ((at - begin) * width) / Math.max(1, end - begin))
  const floors = new Array<number>(times.length).fill(0)
  return (
    <figure className="stack">
      <svg viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" role="img" aria-label={label}>
        {bands.map(({ name, kind, values }) => {
          const lower = [...floors]
          for (const [i, value] of values.entries()) floors[i]! += value
          return <path key={name} className={kind} d={areaOf(x, lower, floors, top)} />
        })}
      </svg>
      <figcaption className="soft small">
        <span>{from}</span>
        <span>{to}</span>
      </figcaption>
    </figure>
  )
}

const areaOf = (x: readonly number[], lower: readonly number[], upper: readonly number[], top: number) => {
  const there = stepsOf(x, upper, top)
  const back = stepsOf(x, lower, top).reverse()
  return `M${[...there, ...back].join('L')}Z`
}

const stepsOf = (x: readonly number[], values: readonly number[], top: number): string[] =>
  values.flatMap((value, i) => {
    const y = (height - (height * value) / top).toFixed(1)
    return [`${x[i]!.toFixed(1)} ${y}`, `${(x[i + 1] ?? x[i]!).toFixed(1)} ${y}`]
  })
