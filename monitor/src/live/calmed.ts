import { startTransition, useEffect, useRef, useState } from 'react'

/** A value that changes often, as it is at most every so many ms: for what is dear to draw or to ask for. What comes of it is worked out in slices. */
export const useCalmed = <T>(value: T, ms: number): T => {
  const [calm, setCalm] = useState(value)
  const newest = useRef(value)
  newest.current = value
  useEffect(() => {
    const timer = setInterval(() => startTransition(() => setCalm(newest.current)), ms)
    return () => clearInterval(timer)
  }, [ms])
  return calm
}
