import { spawn } from 'node:child_process'
import type { Socket } from 'node:net'

/**
 * Ends the process `pid` when this one dies, however it dies: a shell waits for the end of a pipe that only we hold,
 * then asks PostgreSQL for its fast shutdown, and after half a minute for the immediate one. The kernel closes the pipe
 * also of a process killed with −9. (`prctl(PR_SET_PDEATHSIG)` would do without the shell, but only on Linux, and by
 * way of a program that not every system has.)
 * @returns lets go of it, for when `pid` has ended.
 */
export const leash = (pid: number): (() => void) => {
  const shell = spawn('/bin/sh', ['-c', script, 'culm-leash', String(pid)], {
    cwd: '/',
    env: {},
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  shell.on('error', () => {})
  shell.unref()
  ;(shell.stdin as unknown as Socket).unref()
  return () => void shell.kill('SIGKILL')
}

const script = `
read -r _
kill -INT "$1" || exit
seconds=0
while [ $seconds -lt 30 ]; do
  sleep 1
  kill -0 "$1" || exit
  seconds=$((seconds + 1))
done
kill -QUIT "$1"
`
