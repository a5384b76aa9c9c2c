import { type FaultCode, fault } from '../../contract/faults.ts'
import type { Principal, User } from './authenticate.ts'

/** Who owns a thing: everything has an experiment and an owner, most have a workflow. */
export type Owned = { experimentId: number; ownerId: number; teamId?: number; workflowId: number }

/**
 * The one place where rights are asked. People of one experiment see each other's work; its owner, a manager of its group and the experiment's
 * admins may change it. A payload sees and changes its own workflow only. What one may not see does not exist (404).
 */
export const demand = <T extends Owned>(
  principal: Principal,
  right: 'read' | 'write',
  thing: T | undefined,
  unknown: FaultCode,
): T => {
  if (!thing || !maySee(principal, thing)) throw fault(unknown)
  if (right === 'write' && !mayChange(principal, thing)) throw fault('forbidden', 'it belongs to someone else')
  return thing
}

const maySee = (principal: Principal, thing: Owned): boolean => {
  if (principal.kind === 'job') return principal.workflowId === thing.workflowId
  return principal.kind === 'user' && principal.experimentId === thing.experimentId
}

const mayChange = (principal: Principal, thing: Owned): boolean => {
  if (principal.kind === 'job') return principal.workflowId === thing.workflowId
  if (principal.kind !== 'user') return false
  return (
    principal.personId === thing.ownerId ||
    principal.admin ||
    principal.teams.some((t) => t.id === thing.teamId && t.role === 'manager')
  )
}

export const userOnly = (principal: Principal): User => {
  if (principal.kind !== 'user') throw fault('forbidden', 'only a user may do this')
  return principal
}

/** Operators run the installation: they make experiments and queues, and what no experiment owns. Of other experiments' work they see as little as anybody. */
export const demandOperator = (principal: Principal): User => {
  const user = userOnly(principal)
  if (!user.operator) throw fault('forbidden', 'only an operator of this installation may do this')
  return user
}

/** Who may add people to an experiment and act for them: its admins, and operators. To others another experiment does not exist. */
export const demandAdmin = (principal: Principal, experimentId: number | undefined): User => {
  const user = userOnly(principal)
  if (experimentId === undefined || (user.experimentId !== experimentId && !user.operator))
    throw fault('experiment_unknown')
  if (!user.admin && !user.operator) throw fault('forbidden', 'only an admin of the experiment may do this')
  return user
}

/** Whether whoever has such a right over `person` may act in his name. An admin who could for an operator would be one. */
export const mayActFor = (
  user: User,
  person: { experimentId: number; personId: number; operator: boolean },
): boolean => {
  if (user.personId === person.personId || user.operator) return true
  return user.admin && user.experimentId === person.experimentId && !person.operator
}

/** The tenant a principal acts in. Pilots act for many. */
export const experimentOf = (principal: Principal): number => {
  if (principal.kind === 'pilot') throw fault('forbidden', 'a pilot has no experiment')
  return principal.experimentId
}
