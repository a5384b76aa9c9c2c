import type { UseQueryResult } from '@tanstack/react-query'
import type { Explanation } from '../../../src/contract/jobs.ts'
import { Pending } from './pending.tsx'
import { Section } from './section.tsx'
import { Linked } from './thing.tsx'

/** Why something is as it is: one cause, what shows it, and what helps. */
export const Why = ({ query: { data: why, isLoading } }: { query: UseQueryResult<Explanation> }) => {
  if (isLoading) return <Pending />
  if (!why) return null
  return (
    <Section title="Why" className="why" aside={<code className="soft">{why.cause}</code>}>
      <p>
        <Linked text={why.sentence} />
      </p>
      <ul className="facts evidence">
        {why.evidence.slice(0, 12).map((fact) => (
          <li key={fact}>
            <Linked text={fact} />
          </li>
        ))}
      </ul>
      {why.remedy && (
        <p className="remedy">
          <b>What helps: </b>
          {why.remedy.startsWith('culm ') ? <code>{why.remedy}</code> : <Linked text={why.remedy} />}
        </p>
      )}
    </Section>
  )
}
