import { withKey } from '../../../src/services/access/keyed.ts'
import { createWorkflow } from '../../../src/services/workflows/workflows.ts'
import type { ModelWorkflow } from '../model.ts'
import { must } from './ask.ts'
import type { SimulatedUser } from './user.ts'
import { haveWhimsAboutWorkflow } from './whims.ts'

/** A new workflow, and what its user will do to it besides handing in work. */
export const beginWorkflow = async (user: SimulatedUser, kind: ModelWorkflow['kind']): Promise<ModelWorkflow> => {
  const workflow = user.world.model.addWorkflow({
    name: `${user.name}-w${user.nextNumber()}`,
    kind,
    owner: user.name,
    tasks: [],
    closed: false,
  })
  const body = { name: workflow.name, kind, labels: {} }
  const { workflowId } = await must(user, `creates ${workflow.name}`, (engine, p) =>
    withKey(engine, p, { route: 'createWorkflow', key: workflow.name, body }, (e) => createWorkflow(e, p, body)),
  )
  workflow.id = workflowId as `w${number}`
  user.world.chronicle.note(user.name, `${workflow.name} is ${workflowId}`)
  haveWhimsAboutWorkflow(user, workflow)
  return workflow
}
