import { useEffect, useRef, useState } from 'react'
import type { Graph, Layout } from './layout.ts'

/** The address of the worker, which the build knows. */
declare const LAYOUT_WORKER: string

/** The layout of a graph as a worker makes it; that of the graph before until then. */
export const useLayout = <G extends Graph>(graph: G): { graph: G; layout: Layout } | undefined => {
  const [done, setDone] = useState<{ graph: G; layout: Layout }>()
  const worker = useRef<Worker>(undefined)
  const asked = useRef<{ number: number; graph?: G }>({ number: 0 })
  useEffect(() => {
    worker.current = new Worker(LAYOUT_WORKER, { type: 'module' })
    worker.current.onmessage = ({ data }: MessageEvent<{ number: number; layout: Layout }>) => {
      const { number, graph: its } = asked.current
      if (data.number === number && its) setDone({ graph: its, layout: data.layout })
    }
    return () => worker.current?.terminate()
  }, [])
  useEffect(() => {
    asked.current = { number: asked.current.number + 1, graph }
    const { n, from, to } = graph
    worker.current?.postMessage({ number: asked.current.number, graph: { n, from, to } })
  }, [graph])
  return done
}
