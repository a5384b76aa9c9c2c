import { expect, test } from 'vitest'
import { makeLineReader } from './lines.ts'

test('lines are put together from any pieces, and hold every character but the line feed', () => {
  const lines: string[] = []
  const read = makeLineReader((line) => lines.push(line))
  const bytes = Buffer.from('{"a":"€\u2028"}\r\n\n{"b":1}\nrest')
  for (const byte of bytes) read(Buffer.from([byte]))
  expect(lines).toEqual(['{"a":"€\u2028"}\r', '', '{"b":1}'])
  read(Buffer.from(' of it\nand'))
  expect(lines.at(-1)).toBe('rest of it')
})

test('a line without end is an error before it fills the memory', () => {
  const read = makeLineReader(() => {}, 100)
  read(Buffer.alloc(99, 'x'))
  expect(() => read(Buffer.alloc(2, 'x'))).toThrow('more than 100 bytes')
})
