type Props = { values: readonly number[]; label: string; most?: number }

/** A small line without axes, on a ground line of zero. */
export const Sparkline = ({ values, label, most = 60 }: Props) => {
  const shown = values.slice(-most)
  const top = Math.max(1e-9, ...shown)
  const x = (i: number) => ((i + most - shown.length) * 100) / (most - 1)
  const y = (value: number) => 23 - (22 * value) / top
  const line = shown.map((value, i) => `${i ? 'L' : 'M'}${x(i).toFixed(2)} ${y(value).toFixed(2)}`).join('')
  return (
    <svg className="sparkline" viewBox="0 0 100 24" preserveAspectRatio="none" role="img" aria-label={label}>
      <path className="ground" d="M0 23.5H100" />
      {shown.length > 1 && <path className="filled" d={`${line}V23H${x(0).toFixed(2)}Z`} />}
      <path d={line} />
    </svg>
  )
}
