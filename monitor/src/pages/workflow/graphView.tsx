import { useMemo, useRef, useState } from 'react'
import { useLocation } from 'wouter'
import type { Task } from '../../../../src/contract/tasks.ts'
import type { WorkflowId } from '../../api/queries.ts'
import { pngOf, svgOf } from '../../graph/exportGraph.ts'
import { GraphCanvas, type GraphHandle } from '../../graph/graphCanvas.tsx'
import type { Layout } from '../../graph/layout.ts'
import { type Node, nodesOf, type Shape, shapeOf } from '../../graph/taskGraph.ts'
import { useLayout } from '../../graph/useLayout.ts'
import { useLinks } from '../../live/links.ts'
import { save } from '../../parts/save.ts'
import { KindShape } from '../../parts/state.tsx'
import type { Kind } from '../../states/kinds.ts'
import { plural } from '../../words/numbers.ts'

/** From so many tasks on, those of one name are folded at first. */
const manyTasks = 40

const GraphView = ({ id, tasks, isWhole }: { id: WorkflowId; tasks: Task[]; isWhole: boolean }) => {
  const [wanted, setFolded] = useState<boolean>()
  const [unfolded, setUnfolded] = useState<ReadonlySet<string>>(new Set())
  const isFolded = wanted ?? tasks.length > manyTasks
  const shape = useShape(id, tasks, isFolded, unfolded)
  const done = useLayout(shape)
  const fold = (folded: boolean) => {
    setFolded(folded)
    setUnfolded(new Set())
  }
  if (tasks.length === 0) return <p className="nothing">No task yet: a node appears with each call.</p>
  if (!done || done.graph.n === 0) return <div className="graph" style={{ marginTop: '3.4rem' }} />
  return (
    <Drawn
      id={id}
      tasks={tasks}
      shape={done.graph}
      layout={done.layout}
      unfold={(key) => setUnfolded(new Set([...unfolded, key]))}
    >
      <label className="tools">
        <input type="checkbox" checked={isFolded} onChange={(event) => fold(event.target.checked)} />
        Fold tasks of one name
      </label>
      <span className="soft">
        {plural(tasks.length, 'task')}
        {!isWhole && ', the newest'} in {plural(done.graph.n, 'node')}
      </span>
    </Drawn>
  )
}
export default GraphView

/** A new shape only when tasks have come or been folded: their states change colours and no places. */
const useShape = (id: WorkflowId, tasks: Task[], isFolded: boolean, unfolded: ReadonlySet<string>) => {
  const links = useLinks(id, tasks)
  const key = `${tasks.length} ${tasks[0]?.id} ${tasks.at(-1)?.id}`
  // biome-ignore lint/correctness/useExhaustiveDependencies: the tasks are known by their number, their first and their last
  return useMemo(() => shapeOf(tasks, links, isFolded, unfolded), [key, links, isFolded, unfolded])
}

type DrawnProps = {
  id: WorkflowId
  tasks: Task[]
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
