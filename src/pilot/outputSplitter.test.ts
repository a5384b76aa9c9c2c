import fc from 'fast-check'
import { expect, test } from 'vitest'
import { endMark } from '../contract/runner.ts'
import { OutputSplitter } from './outputSplitter.ts'

/** A splitter that expects jobs j1, j2 …, and what each of them was given. */
const splitterFor = (jobs: number) => {
  const splitter = new OutputSplitter('stdout')
  const got: string[] = []
  for (let n = 1; n <= jobs; n++) {
    got.push('')
    splitter.expect({
      key: `j${n}:1`,
      write: (_, bytes) => {
        got[n - 1] += bytes.toString('latin1')
      },
      end: () => {},
    })
  }
  return { splitter, got }
}

const cutAt = (bytes: Buffer, places: number[]): Buffer[] => {
  const cuts = [0, ...places.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]
  return cuts.slice(1).map((end, i) => bytes.subarray(cuts[i], end))
}

test('wherever the stream is cut, each job gets its own output and no mark', () => {
  const output = fc.string({ unit: fc.constantFrom('a', '\0', 'c', ':', '\n', '\0culm:', 'culm:end:', '\0culm:end:') })
  fc.assert(
    fc.property(fc.array(output, { minLength: 1, maxLength: 4 }), fc.array(fc.nat()), (outputs, places) => {
      // A payload may print the start of a mark right before the runner prints a true one.
      const plain = outputs.map((text) => `${text}|`)
      const { splitter, got } = splitterFor(plain.length)
      const stream = plain.map((text, i) => text + endMark(`j${i + 1}`, 1)).join('')
      for (const piece of cutAt(Buffer.from(stream, 'latin1'), places)) splitter.write(piece)
      splitter.finish()
      expect(got).toEqual(plain)
    }),
  )
})

test('what is printed between jobs is dropped, and a mark that was lost does not shift the rest', () => {
  const { splitter, got } = splitterFor(3)
  splitter.write(Buffer.from(`one${endMark('j1', 1)}two and three${endMark('j3', 1)}nobody’s`))
  splitter.finish()
  expect(got).toEqual(['one', 'two and three', ''])
})

test('a mark that the payload made up is nobody’s end', () => {
  const { splitter, got } = splitterFor(1)
  splitter.write(Buffer.from(`before ${endMark('j9', 1)}after`))
  splitter.finish()
  expect(got).toEqual(['before after'])
})

test('what is run after the one job of a process is heard as a part of it, without its mark', () => {
  const got: string[] = ['']
  const splitter = new OutputSplitter('stdout', { ofOneJob: true })
  splitter.expect({ key: 'j1:1', write: (_, bytes) => (got[0] += bytes.toString()), end: () => got.push('end') })
  splitter.write(Buffer.from(`ran${endMark('j1', 1)}after it`))
  splitter.finish()
  expect(got).toEqual(['ranafter it', 'end'])
})
