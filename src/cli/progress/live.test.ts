import { expect, test, vi } from 'vitest'
import { Cli, type GlobalOptions } from '../cli.ts'
import type { Output, World } from '../world.ts'
import { interpose, openLive } from './live.ts'
import type { ProgressView } from './progress.ts'

/** A terminal as its user sees it: lines, a cursor, and the two sequences that the drawing uses. */
const screen = () => {
  let lines = ['']
  const write = (text: string) => {
    for (const part of text.split(/(\u001b\[\d+A\u001b\[0J|\n)/)) {
      const up = /^\u001b\[(\d+)A/.exec(part)
      if (up) lines = [...lines.slice(0, lines.length - 1 - Number(up[1])), '']
      else if (part === '\n') lines.push('')
      else lines[lines.length - 1] += part
    }
    return true
  }
  return { write, seen: () => lines.join('\n') }
}

const liveOn = (
  output: Output,
  { options = {}, clock = () => new Date(0) }: { options?: GlobalOptions; clock?: () => Date } = {},
) => {
  const world = { env: { NO_COLOR: '1', LANG: 'C.UTF-8' }, stdout: output, stderr: output, clock } as unknown as World
  return openLive(new Cli(world, () => options))
}

const view = (finished: number, more: Partial<ProgressView> = {}): ProgressView => ({
  ...{ id: 'w1', name: 'main', state: 'running', seconds: 1 },
  groups: [{ name: 'fit', total: 4, finished, failed: 0, cancelled: 0, running: 0, rate: null }],
  ...more,
})

test('on a terminal the progress stays below what the program prints, and its last state stays', () => {
  vi.useFakeTimers()
  try {
    const { write, seen } = screen()
    const output: Output = { write, isTTY: true, columns: 40 }
    const live = liveOn(output)
    live.show(view(1))
    vi.advanceTimersByTime(100)
    expect(seen()).toMatch(/^w1 main ● running 1\.0 s\n {2}fit .*1\/4\n$/)
    output.write('hello\n')
    output.write('and ')
    expect(seen()).toBe('hello\nand ')
    vi.advanceTimersByTime(500)
    expect(seen()).toBe('hello\nand ')
    output.write('more\n')
    live.show(view(2))
    vi.advanceTimersByTime(100)
    expect(seen()).toMatch(/^hello\nand more\nw1 main ● running .*\n {2}fit .*2\/4\n$/)
    live.show(view(4, { state: 'done' }))
    live.end()
    live.end()
    output.write('value\n')
    vi.advanceTimersByTime(500)
    expect(seen()).toMatch(/^hello\nand more\nw1 main ✓ done .*\n {2}fit .*4\/4\nvalue\n$/)
  } finally {
    vi.useRealTimers()
  }
})

test('elsewhere it is a line per change, one a second at most, and the last in any case', () => {
  vi.useFakeTimers({ now: 1_000_000 })
  try {
    const { write, seen } = screen()
    const told = () => [...seen().matchAll(/fit (\d)\/4/g)].map(([, n]) => n).join(' ')
    const live = liveOn({ write }, { clock: () => new Date() })
    live.show(view(0))
    expect(told()).toBe('0')
    live.show(view(1))
    vi.advanceTimersByTime(500)
    live.show(view(2))
    expect(told()).toBe('0')
    // Nothing more comes for a while, and what was held back is told.
    vi.advanceTimersByTime(600)
    expect(told()).toBe('0 2')
    vi.advanceTimersByTime(5000)
    live.show(view(2, { seconds: 9 }))
    expect(told()).toBe('0 2')
    live.show(view(3))
    live.show(view(4))
    live.end()
    expect(told()).toBe('0 2 3 4')
  } finally {
    vi.useRealTimers()
  }
})

test('it says nothing to programs, and to those who want quiet', () => {
  for (const options of [{ json: true }, { quiet: true }]) {
    const { write, seen } = screen()
    const live = liveOn({ write, isTTY: true, columns: 40 }, { options })
    live.show(view(1))
    live.end()
    expect(seen()).toBe('')
  }
})

test('who writes in between may give bytes, and wants to know when they are written', async () => {
  const { write, seen } = screen()
  const output: Output = { write }
  const undo = interpose(output, (own, text) => own(text.toUpperCase()))
  const likeNode = output.write as (chunk: string | Uint8Array, encoding?: string, done?: () => void) => boolean
  await new Promise<void>((resolve) => likeNode(Buffer.from('a'), 'utf8', resolve))
  undo()
  output.write('b')
  expect(seen()).toBe('Ab')
})
