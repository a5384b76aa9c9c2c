import { existsSync } from 'node:fs'
import { extname, resolve } from 'node:path'
import { Command } from 'commander'
import type { Cli } from '../cli.ts'
import { UsageError } from '../errors.ts'
import type { RunOptions } from './programRun.ts'

export const runCommand = (cli: Cli): Command =>
  new Command('run')
    .description('run the workflow of a file here, and follow it to its end')
    .argument('<file>', 'TypeScript, JavaScript or Python')
    .argument(
      '[args...]',
      'what the function is called with: JSON, or else text; what begins with a dash goes after --',
    )
    .option('-e, --export <name>', 'the function to run; the exported workflow, `default` or `main` when left out')
    .option('--python <path>', 'the interpreter for a Python file; that of VIRTUAL_ENV, else python3')
    .option('-r, --remote', 'as a job: it goes on whatever becomes of this command')
    .option(
      '-c, --continue [id]',
      'go on where an earlier start was: that of workflow w12; the newest of this file that has not ended when left out',
    )
    .option('--accept-code', 'with --continue: go on though the source was changed')
    .addHelpText(
      'after',
      `
  culm run analysis.ts 100 '{"cut": 0.5}'
  culm run analysis.py -- --events 100     (a Python file is run as a script: it calls its own workflow)
  culm run analysis.ts 100 '{"cut": 0.5}' --continue w12

The value is printed on standard output, the progress on standard error. Exit code 0 when it is done, 1 when it failed, 130 after Ctrl-C,
which cancels the workflow; a second Ctrl-C leaves at once. With --remote the function itself is a job (of a Python file: each workflow function that the script calls), and this
command only waits for its value: killed or cut off, it finds that again by --continue.`,
    )
    .action(async (file: string, args: string[], options: RunOptions) => {
      const path = resolve(cli.world.cwd, file)
      if (!existsSync(path)) throw new UsageError(`there is no file ${file}`, 'culm run --help')
      const run = runners[extname(path)]
      if (!run)
        throw new UsageError(
          `${file} is neither TypeScript, JavaScript nor Python`,
          'a command is run by: culm submit --wait -- COMMAND',
        )
      await run(cli, path, args, options)
    })

type Runner = (cli: Cli, path: string, args: string[], options: RunOptions) => Promise<void>

/** Loaded when they are needed: the one has a compiler behind it. */
const runners: Record<string, Runner> = {
  '.py': async (...given) => (await import('./runPython.ts')).runPython(...given),
}
for (const ending of ['.ts', '.mts', '.cts', '.js', '.mjs', '.cjs', '.tsx', '.jsx'])
  runners[ending] = async (...given) => (await import('./runModule.ts')).runModule(...given)
