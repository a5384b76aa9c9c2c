import { z } from 'zod'
import { wellFormed } from './base.ts'

/** So many of each kind at most. */
export const maxHits = 20

export const searchQuery = z.object({
  q: z
    .string()
    .min(1)
    .max(200)
    .regex(/^[^\u0000-\u001f\u007f]*$/u)
    .meta({
      format: wellFormed,
      description: 'An id (w12, t34, j56, p7), a label (`name=value`, or the begin of a value), or the begin of a name',
    }),
})

export const hitKinds = ['workflow', 'task', 'job', 'queue', 'pilot', 'user'] as const

export const hit = z.object({
  kind: z.enum(hitKinds),
  id: z.string().nullable().meta({ description: 'null of what has none: queues and users go by their names' }),
  name: z.string(),
  owner: z.string().nullable(),
  state: z.string().nullable(),
  label: z.string().nullable().meta({ description: 'The label by which it was found' }),
})
export type Hit = z.infer<typeof hit>

export const found = z.object({ items: z.array(hit).meta({ description: `At most ${maxHits} of each kind` }) })
