#!/usr/bin/env node
import { Command } from 'commander'
import { doctorCommand } from './commands/doctor.ts'
import { pilotCommand } from './commands/pilot.ts'
import { agentsCommand, serverCommand } from './commands/server.ts'
import { upCommand } from './commands/up.ts'
import { version } from './files.ts'

const { env } = process
const program = new Command('culm').version(version)
for (const c of [upCommand(env), serverCommand(env), agentsCommand(env), pilotCommand(env), doctorCommand(env)])
  program.addCommand(c)
program.parseAsync(process.argv).catch((e) => {
  console.error(e)
  process.exitCode = 1
})
