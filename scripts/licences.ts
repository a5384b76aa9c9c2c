/** Every package that is installed with Culm must have a licence that lets anyone use, change and pass it on. Fails naming those that have not. */
import { readFile } from 'node:fs/promises'

const free = new Set([
  'MIT',
  'ISC',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  '0BSD',
  'BlueOak-1.0.0',
  'Unlicense',
  'CC0-1.0',
  'Python-2.0',
  'MIT-0',
  'PostgreSQL',
  'MPL-2.0',
  'CC-BY-4.0',
])

type Locked = { license?: string; dev?: boolean; link?: boolean; version?: string }
const lock = JSON.parse(await readFile('package-lock.json', 'utf8')) as { packages: Record<string, Locked> }

const isFree = (licence: string | undefined): boolean =>
  (licence ?? '')
    .replace(/[()]/g, '')
    .split(/ OR /)
    .some((option) => option.split(/ AND /).every((part) => free.has(part.trim())))

const bad = Object.entries(lock.packages).filter(
  ([place, { license, link }]) => place !== '' && !link && !isFree(license),
)
for (const [place, { license, version }] of bad)
  console.error(`${place.replace(/^.*node_modules\//, '')} ${version}: ${license ?? 'no licence named'}`)
process.exitCode = bad.length > 0 ? 1 : 0
