import { readdirSync } from 'node:fs'
import type { GpuMaker } from '../ports/runtime.ts'

type Variables = Readonly<Record<string, string | undefined>>

/** The GPUs that the jobs of a pilot may have: as many as wanted, or all, of those that the pilot was given itself or that are on this machine. */
export const chooseGpus = (env: Variables, wanted: number | undefined): string[] => gpusOf(env, wanted, deviceFiles())

/**
 * Their names, as the drivers count them. A batch system says by variables which of them a pilot may use; those that ROCR_VISIBLE_DEVICES leaves are counted anew. Without a
 * word of it, the files of NVIDIA's driver tell how many there are; others are believed to be there when they are wanted.
 */
export const gpusOf = (env: Variables, wanted: number | undefined, files: readonly string[]): string[] => {
  const given = givenBy(env)
  if (given) return given.slice(0, wanted)
  return numbered(wanted ?? files.filter((name) => /^nvidia\d+$/.test(name)).length)
}

const givenBy = ({ ROCR_VISIBLE_DEVICES: rocr, HIP_VISIBLE_DEVICES: hip, CUDA_VISIBLE_DEVICES: cuda }: Variables) => {
  if (rocr !== undefined) return numbered(namesIn(rocr).length)
  const said = hip ?? cuda
  return said === undefined ? undefined : namesIn(said)
}

const numbered = (n: number): string[] => Array.from({ length: n }, (_, i) => String(i))

/** What stands behind the first word that names none does not count. */
const namesIn = (text: string): string[] => {
  const words = text.split(',').map((word) => word.trim())
  const end = words.findIndex((word) => !/^(?:\d+|(?:GPU|MIG)-[\w/-]+)$/.test(word))
  return end < 0 ? words : words.slice(0, end)
}

/** By the files of their drivers in /dev. */
export const gpuMakersOf = (files: readonly string[] = deviceFiles()): GpuMaker[] => [
  ...(files.includes('nvidiactl') ? (['nvidia'] as const) : []),
  ...(files.includes('kfd') ? (['amd'] as const) : []),
]

const deviceFiles = (): string[] => {
  try {
    return readdirSync('/dev')
  } catch {
    return []
  }
}
