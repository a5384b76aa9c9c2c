import { z } from 'zod'
import { at, name, prose, tokenId } from './base.ts'
import { environment } from './environments.ts'

/** A name that also stands in addresses, files and command lines. */
export const word = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/)
  .meta({ description: '1 to 63 letters, digits, dots, dashes and underscores; the first a letter or digit' })

export const newExperiment = z.strictObject({ name: word })
export const experiment = z.object({ name: z.string(), groups: z.array(z.string()), users: z.int() })

export const memberRoles = ['member', 'manager'] as const

export const newUser = z.strictObject({
  name,
  experiment: name.optional().meta({ description: 'Your own when left out' }),
  group: name.optional().meta({ description: 'Made when there is none; the first of the experiment when left out' }),
  role: z.enum(memberRoles).default('member').meta({ description: 'A manager may change the work of the group' }),
  admin: z.boolean().default(false).meta({ description: 'May change all work of the experiment, and add users' }),
})
export type NewUser = z.output<typeof newUser>

export const user = z.object({
  name: z.string(),
  experiment: z.string(),
  groups: z.array(z.object({ name: z.string(), role: z.enum(memberRoles) })),
  roles: z.array(z.enum(['admin', 'operator'])),
})
export type User = z.infer<typeof user>

export const newQueue = z.strictObject({
  name: word,
  site: word.default('local'),
  environment: environment
    .optional()
    .meta({ description: 'Where tasks run in it, in what they do not say themselves' }),
})
export type NewQueue = z.output<typeof newQueue>

export const newToken = z.strictObject({
  queue: name.optional().meta({ description: 'For the pilots of this queue; for a user when left out' }),
  user: name.optional().meta({ description: 'For this user; for yourself when left out' }),
  experiment: name.optional().meta({ description: 'The experiment of the user; your own when left out' }),
  note: prose.max(200).default('').meta({ description: 'What it is for, for those who read the list' }),
  expiresSeconds: z
    .int()
    .min(1)
    .max(315_360_000)
    .optional()
    .meta({ description: 'How long it holds, s; until it is revoked when left out' }),
})
export type NewToken = z.output<typeof newToken>

export const issuedToken = z.object({
  id: tokenId,
  token: z.string().meta({ description: 'Shown this once: only its digest is kept' }),
  expiresAt: at.nullable(),
})

export const token = z.object({
  id: tokenId,
  kind: z.enum(['user', 'pilot']),
  name: z.string().meta({ description: 'The user or the queue' }),
  experiment: z.string().nullable().meta({ description: 'Of a user; pilots serve all' }),
  note: z.string(),
  createdAt: at,
  expiresAt: at.nullable(),
  revokedAt: at.nullable(),
})
export type Token = z.infer<typeof token>

export const session = z.object({
  name: z.string(),
  experiment: z.string(),
  csrf: z
    .string()
    .nullable()
    .meta({ description: 'What requests that write send as `x-culm-csrf`; null when a token came, which needs none' }),
})
export type Session = z.infer<typeof session>
