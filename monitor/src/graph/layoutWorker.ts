import { type Graph, layOut } from './layout.ts'

/** Beside the page, so that a large graph holds up nothing. */
self.onmessage = ({ data: { number, graph } }: MessageEvent<{ number: number; graph: Graph }>) => {
  const layout = layOut(graph)
  postMessage({ number, layout }, { transfer: [layout.x.buffer, layout.y.buffer] })
}
