/** Numbers as people read them. One format for all: a number that makes its own takes a hundred times as long. */
const grouped = new Intl.NumberFormat()

export const count = (n: number) => grouped.format(n)

export const plural = (n: number, word: string) => `${count(n)} ${word}${n === 1 ? '' : 's'}`

export const rounded = (n: number) => {
  if (Number.isInteger(n) && Math.abs(n) < 1e9) return String(n)
  return String(Number(n.toPrecision(4)))
}

export const sizeOf = (bytes: number) => {
  if (bytes < 1000) return `${bytes} B`
  return bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toPrecision(3)} MB`
}

export const percent = (part: number, whole: number) => (whole > 0 ? Math.floor((100 * part) / whole) : 0)

/** Per second, with as many digits as mean something. */
export const rate = (n: number) => {
  if (n === 0 || n >= 10) return count(Math.round(n))
  return n.toFixed(n < 1 ? 2 : 1)
}
