import { useQuery } from '@tanstack/react-query'
import { useMemo, useRef, useState } from 'react'
import { useLocation } from 'wouter'
import type { Graph, GraphNode } from '../../../../src/contract/graph.ts'
import { graphQuery, type WorkflowId } from '../../api/queries.ts'
import { pngOf, svgOf } from '../../graph/exportGraph.ts'
import { GraphCanvas, type GraphHandle } from '../../graph/graphCanvas.tsx'
import type { Layout } from '../../graph/layout.ts'
import { type Node, nodesOf, type Shape, shapeOf } from '../../graph/taskGraph.ts'
import { useLayout } from '../../graph/useLayout.ts'
import { useCalmed } from '../../live/calmed.ts'
import { save } from '../../parts/save.ts'
import { KindShape } from '../../parts/state.tsx'
import type { Kind } from '../../states/kinds.ts'
import { count, plural } from '../../words/numbers.ts'

/** From so many tasks on, those of one name are folded at first. */
const manyTasks = 40

const GraphView = ({ id, isOver }: { id: WorkflowId; isOver: boolean }) => {
  const { data: graph } = useQuery(graphQuery(id, isOver))
  if (!graph) return <div className="graph" style={{ marginTop: '3.4rem' }} />
  if (graph.nodes.length === 0) return <p className="nothing">No task yet: a node appears with each call.</p>
  return <LaidOut id={id} graph={graph} />
}
export default GraphView

/** So often it is drawn at most, ms. */
const drawMs = 400

const LaidOut = ({ id, graph: newest }: { id: WorkflowId; graph: Graph }) => {
  const graph = useCalmed(newest, drawMs)
  const [wanted, setFolded] = useState<boolean>()
  const [unfolded, setUnfolded] = useState<ReadonlySet<string>>(new Set())
  const isFolded = wanted ?? graph.nodes.length > manyTasks
  const shape = useShape(graph, isFolded, unfolded)
  const done = useLayout(shape)
  const fold = (folded: boolean) => {
    setFolded(folded)
    setUnfolded(new Set())
  }
  if (!done || done.graph.n === 0) return <div className="graph" style={{ marginTop: '3.4rem' }} />
  return (
    <Drawn
      id={id}
      tasks={graph.nodes}
      shape={done.graph}
      layout={done.layout}
      unfold={(key) => setUnfolded(new Set([...unfolded, key]))}
    >
      <label className="tools">
        <input type="checkbox" checked={isFolded} onChange={(event) => fold(event.target.checked)} />
        Fold tasks of one name
      </label>
      <span className="soft">
        {plural(tasksIn(graph), 'task')} in {plural(done.graph.n, 'node')}
        {graph.left > 0 && `, without the oldest ${count(graph.left)}`}
      </span>
    </Drawn>
  )
}

const tasksIn = ({ nodes }: Graph) => nodes.reduce((n, { tasks }) => n + tasks, 0)

/** A new shape only when tasks have come or been folded: their states change colours and no places. */
const useShape = ({ nodes, edges }: Graph, isFolded: boolean, unfolded: ReadonlySet<string>) => {
  const key = `${nodes.length} ${nodes[0]?.id} ${nodes.at(-1)?.id} ${edges.length}`
  // biome-ignore lint/correctness/useExhaustiveDependencies: the graph is known by the number of its tasks and edges, its first and its last task
  return useMemo(() => {
    const links = new Map<string, string[]>(nodes.map(({ id }) => [id, []]))
    for (const [from, to] of edges) links.get(nodes[to]!.id)!.push(nodes[from]!.id)
    return shapeOf(nodes, links, isFolded, unfolded)
  }, [key, isFolded, unfolded])
}

type DrawnProps = {
  id: WorkflowId
  tasks: GraphNode[]
  shape: Shape
  layout: Layout
  unfold: (key: string) => void
  children: React.ReactNode
}

const Drawn = ({ id, tasks, shape, layout, unfold, children }: DrawnProps) => {
  const [, go] = useLocation()
  const handle = useRef<GraphHandle>(null)
  const nodes = useMemo(() => nodesOf(shape, new Map(tasks.map((task) => [task.id, task]))), [shape, tasks])
  const scene = useMemo(() => ({ nodes, layout, shape }), [nodes, layout, shape])
  const open = (node: Node) => (node.ids.length > 1 ? unfold(node.key) : go(`/${node.ids[0]}`))
  const saveSvg = () =>
    save(`${id}.svg`, new Blob([svgOf(scene, handle.current!.palette())], { type: 'image/svg+xml' }))
  const savePng = async () => {
    const picture = await pngOf(scene, handle.current!.palette())
    if (picture) save(`${id}.png`, picture)
  }
  return (
    <>
      <div className="tools graph-tools">
        <div className="tools">{children}</div>
        <div className="tools">
          <button type="button" onClick={() => handle.current?.fit()}>
            All of it
          </button>
          <button type="button" onClick={saveSvg}>
            SVG
          </button>
          <button type="button" onClick={savePng}>
            PNG
          </button>
        </div>
      </div>
      <GraphCanvas ref={handle} scene={scene} open={open} label={`Graph of ${id}: ${plural(nodes.length, 'node')}`} />
      <Legend nodes={nodes} />
    </>
  )
}

const Legend = ({ nodes }: { nodes: Node[] }) => {
  const seen = new Map<Kind, Set<string>>()
  for (const { kind, state } of nodes) seen.set(kind, (seen.get(kind) ?? new Set()).add(state))
  return (
    <p className="graph-legend">
      {[...seen].map(([kind, states]) => (
        <span key={kind} className={`state ${kind}`}>
          <KindShape kind={kind} />
          {[...states].join(', ')}
        </span>
      ))}
    </p>
  )
}
