type Props = { name: string; above?: React.ReactNode; actions?: React.ReactNode; children: React.ReactNode }

/** What opens the page of a thing: where it belongs, its name, what can be done with it, and its facts. */
export const Heading = ({ name, above, actions, children }: Props) => (
  <div className="heading">
    {above}
    <div className="heading-line">
      <h1>{name}</h1>
      <div className="tools">{actions}</div>
    </div>
    <div className="facts">{children}</div>
  </div>
)
