const waiting = new Map<object, () => void>()

/** Draws one thing in a frame: several charts that have new numbers at once would hold up the page together. Of what is to be drawn again before its turn, the newest is. */
export const drawInTurn = (what: object, draw: () => void) => {
  if (waiting.size === 0) requestAnimationFrame(drawNext)
  waiting.set(what, draw)
}

const drawNext = () => {
  const [what, draw] = waiting.entries().next().value!
  waiting.delete(what)
  draw()
  if (waiting.size > 0) requestAnimationFrame(drawNext)
}
