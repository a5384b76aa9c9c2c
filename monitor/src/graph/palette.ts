import { type Kind, kindNames } from '../states/kinds.ts'

/** The colours of the page as a canvas and a file need them: plain, of the scheme that holds now. */
export type Palette = {
  ground: string
  line: string
  faint: string
  ink: string
  soft: string
  accent: string
  word: Record<Kind, string>
  area: Record<Kind, string>
}

export const readPalette = (): Palette => {
  const probe = document.createElement('span')
  document.body.append(probe)
  const colour = (name: string, kind = '') => {
    probe.className = kind
    probe.style.color = `var(${name})`
    return getComputedStyle(probe).color
  }
  const ofKinds = (name: string) =>
    Object.fromEntries(kindNames.map((kind) => [kind, colour(name, kind)])) as Record<Kind, string>
  const palette = {
    ground: colour('--raised'),
    line: colour('--line'),
    faint: colour('--faint'),
    ink: colour('--ink'),
    soft: colour('--soft'),
    accent: colour('--accent'),
    word: ofKinds('--word'),
    area: ofKinds('--area'),
  }
  probe.remove()
  return palette
}
