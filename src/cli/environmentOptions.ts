import type { Command } from 'commander'

/** Where jobs run, as options of a command (`EnvironmentOptions` of the SDK). */
export const withEnvironment = (command: Command): Command =>
  command
    .option('--requirements <file>', 'a lock file of pip (pip freeze): packages that are installed once, and kept')
    .option('--conda <file>', 'the same by a lock file of conda (conda list --explicit)')
    .option('--image <image>', 'what it runs in: of a registry, a file or unpacked folder by its full path, or host')
    .option('--init-env <lines>', 'shell lines that are run before; a program at their end starts it')
    .option('--clean-env <lines>', 'shell lines that are run after each job, in the shell of --init-env')
    .option('--post-script <lines>', 'shell lines that are run after each job where that ran')
