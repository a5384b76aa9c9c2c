import { fault } from '../contract/faults.ts'
import { isFault, messageOf } from '../lib/fault.ts'

/** The fault that an error of the file system below a data home stands for; every other error comes back as it is. */
export const homeFault = (path: string, error: unknown): unknown => {
  if (isFault(error)) return error
  if (isErrno(error, 'ENOSPC', 'EDQUOT')) {
    return fault(
      'home_disk_full',
      `the disk or quota of ${path} is full: free some space, or set CULM_HOME to another disk`,
      { path },
      error,
    )
  }
  if (isErrno(error, 'ENAMETOOLONG')) {
    return fault(
      'home_path_too_long',
      `${path} is too long for this system: set CULM_HOME to a shorter path`,
      { path },
      error,
    )
  }
  if (isErrno(error, 'EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'EEXIST')) {
    const why = messageOf(error)
    return fault(
      'home_not_writable',
      `${path} cannot be used (${why}): set CULM_HOME to a folder of your own`,
      { path },
      error,
    )
  }
  return error
}

export const isErrno = (error: unknown, ...codes: string[]): boolean =>
  error instanceof Error && 'code' in error && codes.includes(String(error.code))
