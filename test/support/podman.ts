import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { atEnd } from './atEnd.ts'
import { makeRootfs, type RootfsOptions } from './rootfs.ts'

/**
 * A podman with settings and storage of its own, and a small image in it. What machines for tests lack is made up for: limits are low ones (its default may be more
 * than we have), and the older of its two low-level programs is taken where both are there, since the newer wants control groups as no test machine has them.
 */
export const testPodman = (options?: RootfsOptions) => {
  const scratch = mkdtempSync(join(tmpdir(), 'culm-podman-'))
  atEnd(() => {
    spawnSync('podman', ['system', 'reset', '--force'], { env: { PATH: process.env.PATH, ...env } })
    rmSync(scratch, { recursive: true, force: true })
  })
  const env = {
    HOME: scratch,
    XDG_RUNTIME_DIR: join(scratch, 'run'),
    CONTAINERS_CONF: join(scratch, 'containers.conf'),
    CONTAINERS_STORAGE_CONF: join(scratch, 'storage.conf'),
  }
  const hasRunc = spawnSync('runc', ['--version']).status === 0
  mkdirSync(join(scratch, '.config/containers'), { recursive: true })
  mkdirSync(env.XDG_RUNTIME_DIR, { mode: 0o700 })
  writeFileSync(join(scratch, '.config/containers/policy.json'), '{"default":[{"type":"insecureAcceptAnything"}]}')
  writeFileSync(
    env.CONTAINERS_CONF,
    `[containers]\ndefault_ulimits=["nofile=1024:1024","nproc=4096:4096"]\n` +
      `[engine]\ncgroup_manager="cgroupfs"\nevents_logger="none"\n${hasRunc ? 'runtime="runc"\n' : ''}`,
  )
  writeFileSync(
    env.CONTAINERS_STORAGE_CONF,
    `[storage]\ndriver="vfs"\nrunroot="${scratch}/run"\ngraphroot="${scratch}/storage"\n`,
  )
  return {
    env,
    /** Its name. */
    makeImage: (): string => {
      const root = makeRootfs(join(scratch, 'root'), options)
      execFileSync('tar', ['-C', root, '-cf', join(scratch, 'root.tar'), '.'])
      execFileSync('podman', ['import', '--quiet', join(scratch, 'root.tar'), 'localhost/culm-test'], {
        env: { PATH: process.env.PATH, ...env },
      })
      return 'localhost/culm-test'
    },
  }
}

export const noPodman =
  spawnSync('podman', ['--version']).status === 0 ? null : 'podman is missing; apt-get install podman runc'
