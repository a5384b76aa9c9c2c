import { useEffect, useState } from 'react'

/** More places than these are not marked: nobody steps through them. */
const mostFound = 5000

/** Marks a text wherever it stands in an element, without touching what is in there. `version` tells that there is more. */
export const useSearchIn = (place: React.RefObject<HTMLElement | null>, version: number) => {
  const [text, setText] = useState('')
  const [ranges, setRanges] = useState<Range[]>([])
  const [at, setAt] = useState(0)
  // biome-ignore lint/correctness/useExhaustiveDependencies: what is in the element is told by the version
  useEffect(() => {
    const found = text && place.current ? rangesOf(place.current, text.toLowerCase()) : []
    setRanges(found)
    setAt((old) => Math.min(Math.max(old, 1), found.length))
  }, [text, version])
  useEffect(() => {
    CSS.highlights.set('found', new Highlight(...ranges))
    const here = ranges[at - 1]
    CSS.highlights.set('found-here', new Highlight(...(here ? [here] : [])))
    return () => {
      CSS.highlights.delete('found')
      CSS.highlights.delete('found-here')
    }
  }, [ranges, at])
  const step = (by: number) => {
    if (ranges.length === 0) return
    const next = ((at - 1 + by + ranges.length) % ranges.length) + 1
    setAt(next)
    ranges[next - 1]!.startContainer.parentElement!.parentElement!.scrollTop += offsetOf(ranges[next - 1]!)
  }
  return { text, setText, found: ranges.length, at, step }
}

const rangesOf = (element: HTMLElement, text: string): Range[] => {
  const ranges: Range[] = []
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT)
  for (let node = walker.nextNode(); node && ranges.length < mostFound; node = walker.nextNode()) {
    const words = node.textContent!.toLowerCase()
    for (let i = words.indexOf(text); i >= 0 && ranges.length < mostFound; i = words.indexOf(text, i + text.length)) {
      const range = new Range()
      range.setStart(node, i)
      range.setEnd(node, i + text.length)
      ranges.push(range)
    }
  }
  return ranges
}

/** How far the range is from the middle of the element that scrolls. */
const offsetOf = (range: Range) => {
  const box = range.startContainer.parentElement!.parentElement!.getBoundingClientRect()
  return range.getBoundingClientRect().top - box.top - box.height / 2
}
