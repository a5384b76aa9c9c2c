/** Ids are shown and sent with their noun (`w12 t34 j56`), so that one word says what is meant; inside they are numbers. */
export type Noun = 'w' | 't' | 'j' | 'p' | 'q' | 'u' | 'g' | 'e' | 'k'
export type Id<N extends Noun = Noun> = `${N}${number}`

export const showId = <N extends Noun>(noun: N, id: number): Id<N> => `${noun}${id}` as Id<N>

/** For sentences: the first three. */
export const showSome = (noun: Noun, ids: readonly number[]): string =>
  `${ids
    .slice(0, 3)
    .map((id) => showId(noun, id))
    .join(', ')}${ids.length > 3 ? ' …' : ''}`

/** The number in an id, or undefined when it is not an id of that noun. Ids stay below 2^53, so numbers hold them. */
export const readId = (noun: Noun, text: string): number | undefined => {
  if (text[0] !== noun || !/^.[1-9]\d{0,14}$/.test(text)) return undefined
  return Number(text.slice(1))
}
