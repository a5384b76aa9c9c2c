/**
 * How long to wait before try `n` (1 = the first repeat): doubling from `baseMs` up to `maxMs`, with full jitter on its upper half,
 * so that many who failed together do not come back together.
 */
export const backoffMs = (
  n: number,
  {
    baseMs = 100,
    maxMs = 30_000,
    random = Math.random,
  }: { baseMs?: number; maxMs?: number; random?: () => number } = {},
): number => {
  const ceiling = Math.min(maxMs, baseMs * 2 ** Math.min(n - 1, 30))
  return Math.round(ceiling / 2 + (random() * ceiling) / 2)
}
