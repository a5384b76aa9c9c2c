import { Link } from 'wouter'

/** A link to the page of a workflow, task or job. */
export const Thing = ({ id, children = id }: { id: string; children?: React.ReactNode }) => (
  <Link href={`/${id}`} className="thing">
    {children}
  </Link>
)

/** The page of a queue, which goes by its name. */
export const queuePath = (name: string) => `/queues/${encodeURIComponent(name)}`

export const QueueLink = ({ name }: { name: string }) => (
  <Link href={queuePath(name)} className="thing">
    {name}
  </Link>
)

/** Ids in a sentence lead to what they name. */
export const Linked = ({ text }: { text: string }) =>
  text.split(/\b([wtj][1-9]\d{0,14})\b/).map((piece, i) =>
    i % 2 ? (
      // biome-ignore lint/suspicious/noArrayIndexKey: the pieces of a sentence have no other name
      <Link key={i} href={`/${piece}`}>
        {piece}
      </Link>
    ) : (
      piece
    ),
  )
