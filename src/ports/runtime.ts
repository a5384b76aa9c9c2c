/**
 * What starts a program inside an image: a container, or a folder that is shown as the root of the file system. The program sees the files of the image and what it
 * was given of this machine, and no process but its own. What is started here ends with the code of the program, or with 128 + n when that was killed by signal n.
 */
export interface Runtime {
  readonly name: string
  /** Whether it can be run by a user of the system whom no account stands for. */
  readonly needsAccount: boolean
  /** Why it cannot run this image, in a sentence; null when it can, as far as that is seen without a try. */
  refuses(image: string): string | null
  /** What brings an image here, before it is first used: it may take minutes, and says how it goes. Null when nothing has to be brought. */
  fetch(image: string, env: Record<string, string>): CommandLine | null
  start(wanted: Inside): Started
}

/** Whose GPUs this machine has: each has its own way into an image. */
export type GpuMaker = 'nvidia' | 'amd'

export type CommandLine = { program: string; args: string[]; env: Record<string, string> }

export type Inside = {
  image: string
  program: string
  args: readonly string[]
  /** Of the program: of this machine's variables it has none beside these. Without PATH it has that of the image. */
  env: Readonly<Record<string, string>>
  /** Where it starts: one of the folders below, or in one of them. */
  cwd: string
  /** It has GPUs of this machine: its libraries learn from `env` which. */
  gpus: boolean
  /** File descriptor 3 is open, and passed on like the standard streams. */
  channel: boolean
  /** Files and folders of this machine that are there under their own paths, to be read or also to be written. */
  read: readonly string[]
  write: readonly string[]
  /** Folders of which nothing else is to be seen, should the image be the machine's own files. */
  hidden: readonly string[]
  /** Of the runtime itself: its user's home and PATH. */
  ownEnv: Readonly<Record<string, string>>
  /** Where it may write the number of a process. */
  pidFile: string
}

export type Started = CommandLine & {
  /** The first process of the program, when it is no descendant of the one that is started here: its number comes into this file. */
  pidFile?: string
}
