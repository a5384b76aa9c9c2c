import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'

/** Makes a wheel of one module in `folder`, as a package index would have it: nothing is fetched from anywhere. */
export const makeWheel = (folder: string, name: string, version: string, source: string): void => {
  mkdirSync(folder, { recursive: true })
  const info = `${name}-${version}.dist-info`
  const files = {
    [`${name}.py`]: source,
    [`${info}/METADATA`]: `Metadata-Version: 2.1\nName: ${name}\nVersion: ${version}\n`,
    [`${info}/WHEEL`]: 'Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n',
    [`${info}/RECORD`]: '',
  }
  const program = `import json, sys, zipfile
with zipfile.ZipFile(sys.argv[1], 'w') as wheel:
    for path, text in json.loads(sys.argv[2]).items():
        wheel.writestr(path, text)`
  execFileSync('python3', ['-c', program, `${folder}/${name}-${version}-py3-none-any.whl`, JSON.stringify(files)])
}
