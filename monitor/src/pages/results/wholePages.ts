/** A page of outcomes in the order of their jobs, and the cursor of the next one. */
type Page = { points: { index: number }[]; next: string | null }

/** How many pages from the first on have no gap in which a job could still end. */
export const wholePages = (pages: readonly Page[], size: number): number => {
  const first = pages.findIndex(({ points, next }, i) => next === null || points.at(-1)?.index !== (i + 1) * size - 1)
  return first < 0 ? pages.length : first
}
