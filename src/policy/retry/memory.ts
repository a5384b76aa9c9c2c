/**
 * What a job asks for after an attempt that had too little memory, MB: twice as much, as `attempt * mem` of Snakemake's and Nextflow's users comes to, and no more than the
 * largest pilot has (null: not known). Null when there is no more to be had.
 */
export const moreMemory = (hadMb: number, largestMb: number | null): number | null => {
  const wanted = Math.min(2 * hadMb, largestMb ?? Number.POSITIVE_INFINITY, maxMb)
  return wanted > hadMb ? wanted : null
}

/** The column is a four-byte integer. */
const maxMb = 2 ** 31 - 1
