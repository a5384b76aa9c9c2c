#!/usr/bin/env node
import { runCli } from '../cli/program.ts'
import type { World } from '../cli/world.ts'
import { doctorCommand } from './commands/doctor.ts'
import { pilotCommand } from './commands/pilot.ts'
import { agentsCommand, serverCommand } from './commands/server.ts'
import { upCommand } from './commands/up.ts'
import { files, version } from './files.ts'
import { readHidden } from './readHidden.ts'

const { env, stdout, stderr } = process

/** The one place where the command line meets the process it runs in. */
const world: World = {
  env,
  cwd: process.cwd(),
  stdout,
  stderr,
  version,
  pythonPath: files.pythonPath,
  clock: () => new Date(),
  readHidden,
  setExitCode: (code) => {
    process.exitCode = code
  },
  exit: (code) => process.exit(code),
  onInterrupt: (listener) => {
    process.on('SIGINT', listener).on('SIGTERM', listener)
    return () => {
      process.off('SIGINT', listener).off('SIGTERM', listener)
    }
  },
}

await runCli(world, process.argv, [
  upCommand(env),
  serverCommand(env),
  agentsCommand(env),
  pilotCommand(env),
  doctorCommand(env),
])
