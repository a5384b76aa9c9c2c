type Props = { title: string; aside?: React.ReactNode; className?: string; children: React.ReactNode }

export const Section = ({ title, aside, className = '', children }: Props) => (
  <section className={`section ${className}`}>
    <div className="section-head">
      <h2>{title}</h2>
      {aside}
    </div>
    {children}
  </section>
)

/** Text that programs wrote, with its lines. */
export const TextBox = ({ text, kind = '', label }: { text: string; kind?: 'bad' | ''; label: string }) => (
  // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keys
  <section className={`text mono ${kind}`} tabIndex={0} aria-label={label}>
    {text}
  </section>
)
