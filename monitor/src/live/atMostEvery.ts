/** Calls `act` now, and what is asked for within `ms` once when they are over. */
export const atMostEvery = (ms: number, act: () => void) => {
  let timer: ReturnType<typeof setTimeout> | undefined
  let isAskedAgain = false
  const run = () => {
    act()
    isAskedAgain = false
    timer = setTimeout(() => {
      timer = undefined
      if (isAskedAgain) run()
    }, ms)
  }
  return () => {
    if (timer === undefined) run()
    else isAskedAgain = true
  }
}
