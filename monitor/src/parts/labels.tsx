import { Link } from 'wouter'

/** Each leads to the workflows that have it; `hrefOf` says where else. */
export const Labels = ({ labels, hrefOf = listOf }: { labels: Record<string, string>; hrefOf?: typeof listOf }) =>
  Object.entries(labels).map(([name, value]) => (
    <Link key={name} href={hrefOf(`${name}=${value}`)} className="label">
      {name}={value}
    </Link>
  ))

const listOf = (label: string) => `/workflows?${new URLSearchParams({ label })}`
