/** The turn of the golden ratio: multiples of it fill a unit evenly, whatever their number. */
const turn = (Math.sqrt(5) - 1) / 2

/**
 * Indexes of at most `most` jobs out of `jobs`, evenly: one of each part. Not the first of each part, since the jobs of a scan often come in rounds, and steps of
 * the same length would meet the same of each round.
 */
export const indexesOf = (jobs: number, most: number): number[] => {
  if (jobs <= most) return Array.from({ length: jobs }, (_, i) => i)
  const indexes = Array.from({ length: most }, (_, i) => Math.floor(((i + ((i * turn) % 1)) * jobs) / most))
  return [...new Set(indexes)]
}
