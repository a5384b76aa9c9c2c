import { expect, test } from 'vitest'
import fixture from '../../../fixtures/values.json' with { type: 'json' }
import { readable } from './tagged.ts'
import { numbersIn, parametersIn } from './values.ts'

const vectors: { name: string; text: string }[] = fixture.values

test.each(vectors.filter(({ name }) => !name.includes('key of tags')))('$name is read without its tags', ({ text }) => {
  expect(readable(text)).not.toContain('$culm')
})

const textOf = (name: string): string => vectors.find((vector) => vector.name === name)!.text

test.each([
  ['a float that is whole', '1.0'],
  ['infinity', 'Infinity'],
  ['an integer beyond 2^53', '9007199254740993'],
  ['a tuple', '(1, "a", ())'],
  ['a map with other keys than text', '{1: "a", null: "b", "c": 2}'],
  ['an array of integers in two dimensions', 'array of int32 [2 × 2]'],
  ['a NumPy number', '0.5'],
  ['a NumPy number that is none', 'NaN'],
  ['an instance of a dataclass that is not here', 'Point(x=1, y=[(1, 2)])'],
  ['flags without a name of their own', 'Flags(6)'],
  ['a member of an enumeration that is here', 'Colour.RED'],
  ['a named tuple of a class that is not here', 'Pair(1, NaN)'],
  ['a pickle', 'a pickled object'],
])('%s is read as %s', (name, said) => {
  expect(readable(textOf(name))).toBe(said)
})

test('a tag that is not as agreed is shown as it is written', () => {
  expect(readable('{"$culm":"tuple","v":7}')).toBe('{"$culm":"tuple","v":7}')
  expect(readable('"$culm"x')).toBe('"$culm"x')
})

test('numbers of NumPy can be drawn, in values and in arguments', () => {
  const scalar = '{"$culm":"scalar","v":{"dtype":"float64","value":0.25}}'
  expect(numbersIn({ text: scalar })).toEqual({ value: 0.25 })
  expect(numbersIn({ text: `{"loss":${scalar},"at":{"$culm":"tuple","v":[1]}}` })).toEqual({ loss: 0.25 })
  expect(parametersIn({ text: `{"a":[${scalar}],"k":{"depth":3}}` })).toEqual({ 'argument 0': 0.25, depth: 3 })
  expect(parametersIn({ text: `{"a":[{"eta":${scalar}}],"k":{}}` })).toEqual({ eta: 0.25 })
})
