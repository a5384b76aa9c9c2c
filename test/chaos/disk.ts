import { execFileSync } from 'node:child_process'
import { appendFileSync, closeSync, ftruncateSync, mkdirSync, openSync, rmSync, statfsSync } from 'node:fs'
import path from 'node:path'

/** A folder on a disk of its own, small enough to fill. Without the right to mount one it is a plain folder, and cannot be filled. */
export type Disk = {
  folder: string
  canFill: boolean
  /** Leaves `freeMb` on it. */
  fill: (freeMb: number) => void
  free: () => void
  close: () => void
}

export const openDisk = (folder: string, sizeMb: number): Disk => {
  mkdirSync(folder, { recursive: true })
  const image = `${folder}.img`
  const canFill = mounted(image, folder, sizeMb)
  const ballast = path.join(folder, 'ballast')
  const free = () => rmSync(ballast, { force: true })
  return {
    folder,
    canFill,
    fill: (freeMb) => {
      const { bavail, bsize } = statfsSync(folder)
      const bytes = bavail * bsize - freeMb * 2 ** 20
      const roughly = Math.floor(bytes - 2 ** 20)
      if (roughly > 0) execFileSync('fallocate', ['-l', String(roughly), ballast])
      writeUntilFull(ballast, bytes - Math.max(0, roughly))
    },
    free,
    close: () => {
      if (!canFill) return
      free()
      execFileSync('umount', ['-l', folder])
      rmSync(image, { force: true })
    },
  }
}

/** The last part by writing: the disk needs some for itself, and nobody knows how much. */
const writeUntilFull = (file: string, bytes: number): void => {
  const part = Buffer.alloc(4096)
  try {
    for (let written = 0; written < bytes; written += part.length) appendFileSync(file, part)
  } catch {
    // it is full
  }
}

/** An ext4 in a sparse file: unlike one in memory it has a real fsync. */
const mounted = (image: string, folder: string, sizeMb: number): boolean => {
  try {
    const file = openSync(image, 'w')
    ftruncateSync(file, sizeMb * 2 ** 20)
    closeSync(file)
    execFileSync('mkfs.ext4', ['-q', '-F', '-m', '0', image], { stdio: 'ignore' })
    execFileSync('mount', ['-o', 'loop', image, folder], { stdio: 'ignore' })
    return true
  } catch {
    rmSync(image, { force: true })
    return false
  }
}
