import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { compileSdk } from '../bundle/sdkFiles.ts'

const repository = fileURLToPath(new URL('../../..', import.meta.url))

/**
 * A fresh folder with the SDK installed as a package, compiled as the release is. Programs in it are run by plain
 * Node, which is the only way to test what hangs on how modules are loaded.
 */
export const installSdk = async (): Promise<{
  folder: string
  write(files: Record<string, string>): Promise<void>
  remove(): Promise<void>
}> => {
  const folder = await mkdtemp(join(tmpdir(), 'culm-sdk-'))
  const dist = join(folder, 'node_modules', 'culm', 'dist')
  const write = async (files: Record<string, string | Uint8Array>) => {
    for (const [path, content] of Object.entries(files)) {
      await mkdir(dirname(join(folder, path)), { recursive: true })
      await writeFile(join(folder, path), content)
    }
  }
  for (const [name, content] of await compileSdk(join(repository, 'src/sdk/index.ts'))) {
    await write({ [join('node_modules/culm/dist/sdk', name)]: content })
  }
  await build({
    entryPoints: [join(repository, 'src/sdk/bundle/loadBundled.ts')],
    bundle: true,
    format: 'esm',
    platform: 'node',
    packages: 'external',
    outdir: dist,
    logLevel: 'silent',
  })
  const exports = { '.': './dist/sdk/index.js', './loadBundled': './dist/loadBundled.js' }
  await write({
    'node_modules/culm/package.json': JSON.stringify({ name: 'culm', version: '0.0.0', type: 'module', exports }),
  })
  for (const dependency of ['esbuild', 'zod', 'undici']) {
    await symlink(join(repository, 'node_modules', dependency), join(folder, 'node_modules', dependency))
  }
  return { folder, write, remove: () => rm(folder, { recursive: true, force: true }) }
}
