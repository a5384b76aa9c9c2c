import { z } from 'zod'
import type { Id, Noun } from '../lib/ids.ts'

/** The pieces that every schema is made of. Limits are here, each with its reason. */

/** What an `integer` of PostgreSQL holds. */
export const maxInteger = 2_147_483_647

/** `digits`: 15 for those that are `bigint` in the database (below 2^53, so that numbers hold them), 9 for those that are `integer`. */
const id = <N extends Noun>(noun: N, what: string, digits: 9 | 15 = 15) =>
  z
    .string()
    .regex(new RegExp(`^${noun}[1-9][0-9]{0,${digits - 1}}$`))
    .meta({ description: `Id of a ${what}`, examples: [`${noun}12`] }) as unknown as z.ZodType<Id<N>, Id<N>>

export const workflowId = id('w', 'workflow')
export const taskId = id('t', 'task')
export const jobId = id('j', 'job')
export const pilotId = id('p', 'pilot', 9)
export const tokenId = id('k', 'token', 9)
export const troubleId = id('e', 'trouble')

/**
 * The format of text that UTF-8 can hold: no lone surrogate. A format and no pattern, since the regular expressions of most languages other than
 * JavaScript cannot name surrogates, and the document is for their readers too.
 */
export const wellFormed = 'well-formed'

/** A name that people read: no control characters (PostgreSQL's text cannot hold NUL). */
export const name = z
  .string()
  .min(1)
  .max(200)
  .regex(/^[^\u0000-\u001f\u007f]+$/u)
  .meta({ format: wellFormed, description: 'A name: 1 to 200 characters, none of them a control character' })

/** A name in an address: what no name can be is nobody's, and not found. */
export const nameInPath = z.string().min(1).max(200).meta({ description: 'A name' })

/** Short text that people read: line breaks and tabs may be in it. */
export const prose = z
  .string()
  .max(4000)
  .regex(/^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]*$/u)
  .meta({ format: wellFormed })

export const hash = z
  .string()
  .regex(/^[0-9a-f]{64}$/)
  .meta({ description: 'SHA-256 of the content, lower-case hex' })

/** RFC 3339 without leap seconds and years that no clock shows: what `Date` and PostgreSQL both read. */
export const at = z
  .string()
  .regex(/^[12]\d{3}-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d:[0-5]\d(?:\.\d{1,9})?(?:Z|[+-][0-2]\d:[0-5]\d)$/)
  .meta({ format: 'date-time', description: 'ISO 8601' })

/** Inline up to 1 MB: larger values go by reference, so that no transaction carries more than a few of them. */
export const maxInlineBytes = 1_000_000

/**
 * A value: the JSON text of it (with tags for what JSON lacks, see docs/reference/values.md), inline or stored under its hash.
 * The text travels inside a string, since the server does not look into it and must not change it: 1.0 stays 1.0.
 */
export const value = z.union([
  z.strictObject({ text: z.string().max(maxInlineBytes) }),
  z.strictObject({ blob: hash, bytes: z.int().min(0) }),
])
export type Value = z.infer<typeof value>

/** Which start of a driver or pilot: the first is 1. */
export const epoch = z.int().min(1).max(maxInteger)

/** An attempt number: the first is 1. */
export const attempt = z.int().min(1).max(1_000_000)

/** More than anybody reads: each is a row that lists are read by. */
export const maxLabels = 50

const labelName = z
  .string()
  .max(63)
  .regex(/^[A-Za-z0-9][A-Za-z0-9._/-]*$/)

const labelValue = z
  .string()
  .max(200)
  .regex(/^[^\u0000-\u001f\u007f]*$/u)
  .meta({ format: wellFormed })

export const labels = z
  .record(labelName, labelValue)
  .meta({ description: 'Labels to filter and report by', maxProperties: maxLabels })

export const labelChange = z
  .record(labelName, labelValue.nullable())
  .meta({ description: 'Labels to set; null removes one', maxProperties: 2 * maxLabels })
export type LabelChange = z.output<typeof labelChange>

/** In a query: said once or several times. */
export const severalOf = <T extends z.ZodType>(one: T) => z.union([one, z.array(one).min(1).max(20)])

const labelWanted = z
  .string()
  .max(264)
  .regex(/^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}=[^\u0000-\u001f\u007f]*$/u)
  .meta({ format: wellFormed, examples: ['campaign=summer'] })

/** What lists of workflows and of tasks can be filtered by, beside their states. */
export const listFilter = {
  owner: name.optional(),
  text: name.optional().meta({ description: 'Part of the name, in any case' }),
  label: severalOf(labelWanted).optional().meta({ description: '`name=value`; of several, all must be there' }),
  since: at.optional().meta({ description: 'Created then or later' }),
  until: at.optional().meta({ description: 'Created before' }),
}

/** A page of a list: pass `next` as `after` for the following one. */
export const pageOf = <T extends z.ZodType>(item: T) =>
  z.object({
    items: z.array(item),
    next: z.string().nullable().meta({
      description:
        'Pass it as `after` for what follows; null at the end. Where much has to be looked through, a page may have fewer items than `limit`, or none, and a `next`',
    }),
  })

export const pageQuery = {
  after: z.string().max(300).optional().meta({ description: '`next` of the previous page' }),
  limit: z.int().min(1).max(200).default(50),
}
