import { z } from 'zod'
import { at } from './base.ts'
import { word } from './people.ts'

export const secretName = word

/** 64 kB holds any key, certificate chain or keytab. */
export const maxSecretBytes = 65_536

const base64 = z
  .string()
  .max(Math.ceil(maxSecretBytes / 3) * 4)
  .regex(/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/)

export const newSecret = z.strictObject({
  name: secretName,
  value: base64.min(4).meta({ description: 'The bytes in base64, at most 64 kB of them' }),
})

export const secret = z.object({ name: z.string(), createdAt: at, setAt: at })
export type Secret = z.infer<typeof secret>

/**
 * How the jobs of a task get a secret: as the variable `env`, or as a file of that name in the folder `$CULM_SECRETS`; with both, the variable has the
 * path of the file.
 */
export const wantedSecret = z.strictObject({
  name: secretName,
  env: z
    .string()
    .regex(/^(?!CULM_)[A-Za-z_][A-Za-z0-9_]{0,99}$/)
    .optional()
    .meta({ description: 'Name of the variable; not CULM_…' }),
  file: word.optional().meta({ description: 'Name of the file' }),
})
export type WantedSecret = z.infer<typeof wantedSecret>

export const wantedSecrets = z.array(wantedSecret).max(50).meta({
  description: 'Secrets of the owner that the jobs get, each as variable `env`, as `file` in $CULM_SECRETS, or both',
})

/** A secret on its way to the pilot. */
export const givenSecret = wantedSecret.extend({
  value: z.string().nullable().meta({ description: 'The bytes in base64; null when there is none to give' }),
  problem: z.string().optional().meta({ description: 'Why there is none' }),
})
export type GivenSecret = z.infer<typeof givenSecret>

export const rotated = z.object({
  resealed: z.int().meta({ description: 'How many secrets were sealed anew' }),
  left: z.int().meta({ description: 'How many still bear an older key' }),
})
