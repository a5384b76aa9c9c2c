import { Link } from 'wouter'
import type { Trouble } from '../../../src/contract/troubles.ts'
import { count } from '../words/numbers.ts'
import { State } from './state.tsx'
import { Ago } from './time.tsx'

type Props = {
  trouble: Pick<Trouble, 'id' | 'cause' | 'text' | 'lastAt'> & { attempts: number }
  children?: React.ReactNode
}

/** A kind of failure in a line of a list: how often, what it says, and when last. */
export const TroubleLine = ({ trouble: { id, cause, text, attempts, lastAt }, children }: Props) => (
  <li>
    <State state="failed" text={`${count(attempts)} ${cause}`} />
    <span title={text}>
      <Link href={`/errors/${id}`}>{text}</Link>
    </span>
    <span className="soft">
      <Ago at={lastAt} />
    </span>
    {children}
  </li>
)
