import { z } from 'zod'
import { wellFormed } from './base.ts'

/** So many of each kind at most. */
export const maxHits = 20

/** Errors are found by what they say, from so many characters on, among so many of the newest kinds. */
export const [minErrorText, maxErrorsRead] = [3, 5000]

export const searchQuery = z.object({
  q: z
    .string()
    .min(1)
    .max(200)
    .regex(/^[^\u0000-\u001f\u007f]*$/u)
    .meta({
      format: wellFormed,
      description: `An id (w12, t34, j56, e9, p7), a label (\`name=value\`, or the begin of a value), the begin of a name, or a part of what an error says (${minErrorText} characters or more, in the newest ${maxErrorsRead} kinds of error)`,
    }),
})

export const hitKinds = ['workflow', 'task', 'job', 'queue', 'pilot', 'user', 'trouble'] as const

export const hit = z.object({
  kind: z.enum(hitKinds),
  id: z.string().nullable().meta({ description: 'null of what has none: queues and users go by their names' }),
  name: z.string().meta({ description: 'Of a trouble what the last of its errors said' }),
  owner: z.string().nullable(),
  state: z.string().nullable(),
  label: z.string().nullable().meta({ description: 'The label by which it was found' }),
})
export type Hit = z.infer<typeof hit>

export const found = z.object({ items: z.array(hit).meta({ description: `At most ${maxHits} of each kind` }) })
