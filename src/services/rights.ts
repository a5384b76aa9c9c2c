import { type FaultCode, fault } from '../contract/faults.ts'
import type { Principal } from './authenticate.ts'

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

/** The tenant a principal acts in. Pilots act for many. */
export const experimentOf = (principal: Principal): number => {
  if (principal.kind === 'pilot') throw fault('forbidden', 'a pilot has no experiment')
  return principal.experimentId
}
