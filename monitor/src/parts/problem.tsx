import { Link } from 'wouter'
import { isFinal, Problem } from '../api/ask.ts'
import { Lesson } from './lesson.tsx'

/** What the server refused, with a way on; nothing while it is only away. */
export const Refused = ({ error }: { error: unknown }) =>
  isFinal(error) &&
  error instanceof Problem && (
    <Lesson title={error.title}>
      {error.message !== error.title && <p>{error.message}</p>}
      {error.help && <p className="soft">{error.help}</p>}
      <p>
        <Link href="/workflows">All workflows</Link>
      </p>
    </Lesson>
  )
