/** One bar: how high it is, and what it stands for. */
export type BarOf = { n: number; title: string }
type Props = { label: string; bars: readonly BarOf[]; from: string; to: string; kind?: string }

/** Bars beside each other over an axis of which the ends are named; each says what it is when pointed at. */
export const Bars = ({ label, bars, from, to, kind = 'busy' }: Props) => {
  const top = Math.max(1, ...bars.map(({ n }) => n))
  return (
    <figure className="bars">
      <div className="bars-field" role="img" aria-label={label}>
        {bars.map(({ n, title }) => (
          <span key={title} title={`${title}: ${n.toLocaleString()}`}>
            <i className={`${kind} area`} style={{ height: `${(100 * n) / top}%` }} />
          </span>
        ))}
      </div>
      <figcaption className="soft small">
        <span>{from}</span>
        <span>highest {top.toLocaleString()}</span>
        <span>{to}</span>
      </figcaption>
    </figure>
  )
}
