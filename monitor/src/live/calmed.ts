import { useEffect, useRef, useState } from 'react'

/** A value that changes often, as it is at most every so many ms: for what is dear to draw or to ask for. */
export const useCalmed = <T>(value: T, ms: number): T => {
  const [calm, setCalm] = useState(value)
  const newest = useRef(value)
  newest.current = value
  useEffect(() => {
    const timer = setInterval(() => setCalm(newest.current), ms)
    return () => clearInterval(timer)
  }, [ms])
  return calm
}
