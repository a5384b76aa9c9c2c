import { Command, CommanderError } from 'commander'
import { experimentCommand, queueCommand, tokenCommand, userCommand } from './accounts.ts'
import { bundleCommand } from './bundle.ts'
import { cancelCommand } from './cancel.ts'
import { Cli, type GlobalOptions } from './cli.ts'
import { completionCommand } from './completion.ts'
import { reportError } from './errors.ts'
import { explainCommand } from './explain.ts'
import { loginCommand } from './login.ts'
import { logsCommand } from './logs.ts'
import { lsCommand } from './ls.ts'
import { openCommand } from './open.ts'
import { retryCommand } from './retry.ts'
import { runCommand } from './run/run.ts'
import { secretCommand } from './secret.ts'
import { showCommand } from './show.ts'
import { finishCommand, pauseCommand, priorityCommand, resumeCommand } from './steer.ts'
import { submitCommand } from './submit/submit.ts'
import { watchCommand } from './watch.ts'
import { whoamiCommand } from './whoami.ts'
import type { World } from './world.ts'

/**
 * Carries out one command line: `argv` as the process has it. Whatever goes wrong is told and makes the exit code: 1 it failed, 2 it was written wrongly, 3 there is no
 * server, 130 interrupted. `extra` are the commands that are wired elsewhere (`up`, `server` …); they come first in the help.
 */
export const runCli = async (world: World, argv: readonly string[], extra: Command[] = []): Promise<void> => {
  endOnBrokenPipe(world)
  const { program, cli } = assemble(world, extra)
  try {
    await program.parseAsync(argv)
  } catch (error) {
    const code = isHelp(error) ? 0 : reportError(cli, error, verbIn(program, argv))
    if (code !== 0) world.setExitCode(code)
  } finally {
    await cli.close()
  }
}

/** The commands, as commander has them; its errors are thrown, see `runCli`. */
export const makeProgram = (world: World, extra: Command[] = []): Command => assemble(world, extra).program

const assemble = (world: World, extra: Command[]): { program: Command; cli: Cli } => {
  const program = new Command('culm')
  const cli = new Cli(world, () => program.opts<GlobalOptions>())
  program
    .description('runs functions, commands and workflows on this machine or at many sites')
    .version(world.version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'explain a command')
    .option('--json', 'one JSON document, or one a line, instead of text')
    .option('-q, --quiet', 'no progress and no remarks')
    .option('--no-color', 'no colours (as NO_COLOR)')
    .option('--server <url>', 'the server to speak to (CULM_SERVER, else the one of this machine)')
    .option('--token <token>', 'who you are to it (CULM_TOKEN is not seen by others on this machine, this is)')
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => world.stdout.write(text),
      writeErr: (text) => world.stderr.write(text),
      outputError: () => {},
    })
    .exitOverride()
  const own = [
    runCommand,
    submitCommand,
    lsCommand,
    showCommand,
    logsCommand,
    watchCommand,
    explainCommand,
    cancelCommand,
    retryCommand,
    pauseCommand,
    resumeCommand,
    finishCommand,
    priorityCommand,
    openCommand,
    bundleCommand,
    secretCommand,
    queueCommand,
    userCommand,
    experimentCommand,
    tokenCommand,
    loginCommand,
    whoamiCommand,
  ]
  for (const command of [...extra, ...own.map((make) => make(cli)), completionCommand(cli, program)]) {
    inherit(command, program)
    program.addCommand(command)
  }
  return { program, cli }
}

/** `addCommand` leaves a command its own ways to write and to end; ours are the program's. */
const inherit = (command: Command, from: Command): void => {
  command.copyInheritedSettings(from)
  for (const below of command.commands) inherit(below, from)
}

/** Help and version are thrown like errors. `culm` alone prints the help as well, and was a question. */
const isHelp = (error: unknown): boolean =>
  error instanceof CommanderError &&
  ['commander.helpDisplayed', 'commander.version', 'commander.help'].includes(error.code)

const verbIn = (program: Command, argv: readonly string[]): string =>
  program.commands.find((command) => argv.includes(command.name()))?.name() ?? ''

/** `culm ls | head`: the reader has seen enough. */
const endOnBrokenPipe = (world: World): void => {
  for (const output of [world.stdout, world.stderr])
    output.on?.('error', (error) => {
      if (error.code === 'EPIPE') return world.exit(0)
      throw error
    })
}
