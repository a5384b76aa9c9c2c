import { runCli } from '/work/main/src/cli/program.ts'
await runCli({ env: process.env, cwd: process.cwd(), stdout: process.stdout, stderr: process.stderr, version: '0.1', pythonPath: '/work/main/python', clock: () => new Date(),
 setExitCode: (c) => { process.exitCode = c }, exit: (c) => process.exit(c), onInterrupt: (l) => { process.on('SIGINT', l); return () => process.off('SIGINT', l) } }, process.argv)
