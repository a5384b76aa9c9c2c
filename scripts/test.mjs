/**
 * `npm test [-- ARGS]`: the set-up, then vitest. `--quick` leaves out the files under test/ (real processes and browsers). Closes with the counts on a line of
 * their own: passed, failed, skipped, and the reason of each skip.
 */
import { spawnSync } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { prepare } from './start.mjs'

await prepare()
const quick = process.argv.includes('--quick')
const given = process.argv.slice(2).filter((arg) => arg !== '--quick')
const report = path.join(tmpdir(), `culm-tests-${process.pid}.json`)
const scope = quick ? ['src', 'scripts', 'monitor'] : []
const { status } = spawnSync(
  process.execPath,
  [
    'node_modules/vitest/vitest.mjs',
    'run',
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${report}`,
    ...scope,
    ...given,
  ],
  { stdio: 'inherit' },
)

const { numPassedTests, numFailedTests, numPendingTests, testResults } = JSON.parse(readFileSync(report, 'utf8'))
rmSync(report)
const skipped = testResults.flatMap((file) =>
  file.assertionResults.filter((test) => test.status === 'skipped' || test.status === 'pending'),
)
for (const test of skipped) console.log(`skipped: ${test.fullName}`)
const brokenFiles = testResults.filter(
  (file) => file.status === 'failed' && file.assertionResults.every((test) => test.status !== 'failed'),
).length
console.log(`\n${numPassedTests} passed, ${numFailedTests + brokenFiles} failed, ${numPendingTests} skipped`)
process.exit(status ?? 1)
