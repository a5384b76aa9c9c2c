import type { Cli } from '../cli.ts'
import type { Output } from '../world.ts'
import type { ProgressView } from './progress.ts'
import { progressLines, progressSentence } from './render.ts'

/** Shows how workflows go on, until `end`. The last of each stays to be read. */
export type Live = { show(view: ProgressView): void; end(): void }

/** How often a terminal is drawn anew, ms: smooth to the eye. */
const drawMs = 100

/** A file or a pipe gets a line so often at most, ms. */
const lineMs = 1000

/** On standard error: in place on a terminal, in lines elsewhere, not at all when nobody wants to be told. */
export const openLive = (cli: Cli): Live => {
  if (!cli.tells) return { show: () => {}, end: () => {} }
  return cli.world.stderr.isTTY ? drawnLive(cli) : lineLive(cli)
}

/** Draws below whatever the program itself prints: that takes the drawing away, and the next one comes below it. */
const drawnLive = (cli: Cli): Live => {
  const { stdout, stderr, clock } = cli.world
  const views = new Map<string, { view: ProgressView; at: number }>()
  const toTerminal = stderr.write.bind(stderr)
  let drawn = 0
  let isMidLine = false

  const erase = () => {
    if (drawn > 0) toTerminal(`\u001b[${drawn}A\u001b[0J`)
    drawn = 0
  }
  const draw = () => {
    if (isMidLine) return
    erase()
    const style = cli.style(stderr)
    const now = clock().getTime()
    // Time goes on for what has not ended, also when nothing comes.
    const current = [...views.values()].map(({ view, at }) =>
      hasEnded(view) ? view : { ...view, seconds: view.seconds + (now - at) / 1000 },
    )
    const lines = current.flatMap((view) => progressLines(view, style))
    if (lines.length > 0) toTerminal(`${lines.join('\n')}\n`)
    drawn = lines.length
  }
  const restore = [stdout, stderr]
    .filter((output) => output.isTTY)
    .map((output) =>
      interpose(output, (write, text) => {
        erase()
        isMidLine = !text.endsWith('\n')
        return write(text)
      }),
    )
  const timer = setInterval(draw, drawMs).unref()
  return {
    show: (view) => views.set(view.id, { view, at: clock().getTime() }),
    end: () => {
      clearInterval(timer)
      for (const undo of restore) undo()
      if (isMidLine) toTerminal('\n')
      isMidLine = false
      draw()
      drawn = 0
      views.clear()
    },
  }
}

/** One line per change, at most one a second for each workflow, and the last in any case. */
const lineLive = ({ world: { stderr, clock } }: Cli): Live => {
  const told = new Map<string, { what: string; at: number }>()
  const latest = new Map<string, ProgressView>()
  const tell = (view: ProgressView) => {
    const what = newsIn(view)
    if (told.get(view.id)?.what === what) return
    told.set(view.id, { what, at: clock().getTime() })
    stderr.write(`${progressSentence(view)}\n`)
  }
  const isDue = ({ id }: ProgressView) => clock().getTime() - (told.get(id)?.at ?? 0) >= lineMs
  const tellDue = () => {
    for (const view of latest.values()) if (isDue(view)) tell(view)
  }
  const timer = setInterval(tellDue, lineMs / 4).unref()
  return {
    show: (view) => {
      latest.set(view.id, view)
      tellDue()
    },
    end: () => {
      clearInterval(timer)
      for (const view of latest.values()) tell(view)
      latest.clear()
    },
  }
}

/** What changes with time alone is no news. */
const newsIn = (view: ProgressView): string =>
  JSON.stringify({ ...view, seconds: 0, groups: view.groups.map((group) => ({ ...group, rate: 0 })) })

const hasEnded = ({ state }: ProgressView): boolean =>
  state !== 'registered' && state !== 'running' && state !== 'paused'

type Write = (text: string) => boolean

/** Lets `through` handle what anybody writes to an output, until the returned function is called. */
export const interpose = (output: Output, through: (write: Write, text: string) => boolean): (() => void) => {
  const own = output.write
  const write: Write = (text) => own.call(output, text)
  const handle = (chunk: string | Uint8Array, ...rest: unknown[]) => {
    const room = through(write, typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString())
    // The signature of Node's streams: (chunk, encoding?, done?).
    const done = rest.find((arg) => typeof arg === 'function') as (() => void) | undefined
    if (done) process.nextTick(done)
    return room
  }
  output.write = handle as Write
  return () => {
    output.write = own
  }
}
