import { z } from 'zod'
import { wellFormed } from './base.ts'
import { problemOfRequirements } from './requirements.ts'

const text = (maxLength: number) =>
  z
    .string()
    .max(maxLength)
    .regex(/^[^\u0000]*$/u)

/** The lock file of some hundred packages, with the hashes of all their files. */
const maxLockLength = 500_000
const maxScriptLength = 20_000

/**
 * Where the code of a task runs. What is left out comes from its workflow, then from the queue; an empty text switches off what would come from there.
 */
export const environment = z.strictObject({
  requirements: text(maxLockLength).optional().meta({
    format: wellFormed,
    description: 'The text of a lock file of pip: packages of one version each. Installed once at a place, and kept',
  }),
  conda: text(maxLockLength).optional().meta({
    format: wellFormed,
    description: 'The text of an explicit lock file of conda (`conda list --explicit`), instead of requirements',
  }),
  initEnv: text(maxScriptLength).optional().meta({
    format: wellFormed,
    description:
      'Shell lines that are run before; the last one, if it is a program, is what the payload is started with: `source /cvmfs/…/setup.sh; apptainer exec img`',
  }),
  cleanEnv: text(maxScriptLength).optional().meta({
    format: wellFormed,
    description: 'Shell lines that are run after each job in the shell of initEnv; the job ends as its payload does',
  }),
  postScript: text(maxScriptLength).optional().meta({
    format: wellFormed,
    description: 'A script that is run after each job where that ran; the job ends as its payload does',
  }),
  image: z
    .string()
    .max(1000)
    .regex(/^[^\u0000-\u001f\u007f]*$/u)
    .optional()
    .meta({
      format: wellFormed,
      description:
        'What it runs in: an image of a registry, a file or an unpacked folder by its full path, or `host`, which is the files of the machine, read-only. What a pilot can run depends on what is installed there',
    }),
})
export type Environment = z.infer<typeof environment>

export const environmentSettings = Object.keys(environment.shape) as (keyof Environment)[]

/** Two ways to say one thing: who says one of them, says it all. */
const packages = ['requirements', 'conda'] as const

/** What holds when two say something: of each setting what the nearer one says. */
export const layered = (nearer: Environment | undefined, farther: Environment | undefined): Environment | undefined => {
  if (!nearer || !farther) return nearer ?? farther
  const rest = { ...farther }
  if (packages.some((name) => nearer[name] !== undefined)) for (const name of packages) delete rest[name]
  return { ...rest, ...nearer }
}

/** Without what was switched off; undefined when nothing is left. */
export const effective = (environment: Environment | undefined): Environment | undefined => {
  if (!environment) return undefined
  const left = Object.entries(environment).filter(([, value]) => value !== undefined && value.trim() !== '')
  return left.length > 0 ? Object.fromEntries(left) : undefined
}

const leastPython = [3, 9] as const

/** Why no function of Python could run in it, in a sentence; undefined when it may. Which Python there will be is known of a lock file of conda only. */
export const problemForPython = ({ conda = '' }: Environment): string | undefined => {
  const [, major, minor] = /\/python-(\d+)\.(\d+)\./.exec(conda)?.map(Number) ?? []
  if (major === undefined || minor === undefined) return undefined
  const [leastMajor, leastMinor] = leastPython
  if (major > leastMajor || (major === leastMajor && minor >= leastMinor)) return undefined
  return `conda has Python ${major}.${minor}, and works need ${leastPython.join('.')} or later`
}

/** Why no environment could be made of this, in a sentence; undefined when it may work. */
export const problemOf = (environment: Environment): string | undefined => {
  const { requirements, conda } = effective(environment) ?? {}
  if (requirements && conda) return 'requirements and conda both say which packages there are: give one of them'
  if (conda && !/^@EXPLICIT\s*$/m.test(conda))
    return 'conda is no explicit lock file (a line @EXPLICIT, and the addresses of packages): conda list --explicit --md5 writes one'
  return requirements ? problemOfRequirements(requirements) : undefined
}
