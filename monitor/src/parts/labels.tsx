export const Labels = ({ labels }: { labels: Record<string, string> }) =>
  Object.entries(labels).map(([name, value]) => (
    <span key={name} className="label">
      {name}={value}
    </span>
  ))
