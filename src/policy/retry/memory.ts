/**
 * What a job asks for after an attempt that had too little memory, MB: twice as much, which finds what it needs in few attempts and gives it less than twice too much, and no
 * more than the largest pilot has (null: not known). Null when there is no more to be had.
 */
export const moreMemory = (hadMb: number, largestMb: number | null): number | null => {
  const wanted = Math.min(2 * hadMb, largestMb ?? Number.POSITIVE_INFINITY, maxMb)
  return wanted > hadMb ? wanted : null
}

/** The column is a four-byte integer. */
const maxMb = 2 ** 31 - 1
