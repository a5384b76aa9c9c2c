/** How many columns of a terminal a text takes: one for each character as people see it, two for CJK and emoji. */
export const textWidth = (text: string): number => {
  if (/^[\x20-\x7e]*$/.test(text)) return text.length
  let width = 0
  for (const { segment } of characters.segment(text)) width += widthOf(segment)
  return width
}

/** The text, or as much of its beginning as leaves room for a mark of what is missing. */
export const cutText = (text: string, width: number, mark = '…'): string => {
  if (textWidth(text) <= width) return text
  const room = width - textWidth(mark)
  if (room < 0) return ''
  let kept = ''
  let used = 0
  for (const { segment } of characters.segment(text)) {
    used += widthOf(segment)
    if (used > room) break
    kept += segment
  }
  return kept + mark
}

/** One line of what may hold anything: control characters would move the cursor, or worse. */
export const plainLine = (text: string): string => text.replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ')

/** As `plainLine`, of text that has several lines. */
export const plainText = (text: string): string => text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]+/g, ' ')

const characters = new Intl.Segmenter()

const widthOf = (character: string): number =>
  /^(\p{Emoji_Presentation}|[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|[\u{20000}-\u{3fffd}])/u.test(
    character,
  )
    ? 2
    : 1
