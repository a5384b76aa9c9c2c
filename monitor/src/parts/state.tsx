import { type Kind, kindOf, kinds } from '../states/kinds.ts'

/** The shape of a kind of state. */
export const KindShape = ({ kind }: { kind: Kind }) => {
  const { path, ...more } = kinds[kind]
  return (
    <svg viewBox="0 0 16 16" aria-hidden="true">
      <path d={path} fill={'isFilled' in more ? 'currentColor' : 'none'} />
    </svg>
  )
}

/** A state: shape, colour and word. */
export const State = ({ state, noun, text = state }: { state: string; noun?: string; text?: string }) => {
  const kind = kindOf(state, noun)
  return (
    <span className={`state ${kind}`}>
      <KindShape kind={kind} />
      {text}
    </span>
  )
}
