import { useMemo } from 'react'
import type { WorkflowId } from '../../api/queries.ts'
import { useOutcomes } from '../../live/outcomes.ts'
import { Results } from './results.tsx'

const WorkflowResults = ({ id }: { id: WorkflowId }) => {
  const { byJob, version } = useOutcomes(id)
  // biome-ignore lint/correctness/useExhaustiveDependencies: the map is the same when what is in it has changed; the version tells
  const points = useMemo(() => [...byJob.values()], [byJob, version])
  return <Results points={points} />
}
export default WorkflowResults
