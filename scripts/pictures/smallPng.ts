import { crc32, deflateSync, inflateSync } from 'node:zlib'

/** A picture of a page with no more than 256 colours, which eyes do not tell from the picture as the browser gives it, and which is a third as large. */
export const smallPng = (png: Buffer): Buffer => {
  const { width, height, pixels } = decoded(png)
  const colours = new Map<number, number>()
  for (const colour of pixels) colours.set(colour, (colours.get(colour) ?? 0) + 1)
  const palette = [...colours.keys()].sort((a, b) => colours.get(b)! - colours.get(a)!).slice(0, 256)
  const places = new Map([...colours.keys()].map((colour) => [colour, nearest(palette, colour)]))
  const rows = Buffer.alloc((width + 1) * height)
  for (let i = 0; i < pixels.length; i++) rows[i + Math.floor(i / width) + 1] = places.get(pixels[i]!)!
  const header = Buffer.from(png.subarray(16, 29))
  header.set([8, 3], 8)
  const table = Buffer.from(palette.flatMap((colour) => [colour >> 16, (colour >> 8) & 255, colour & 255]))
  const chunks = [chunk('IHDR', header), chunk('PLTE', table), chunk('IDAT', deflateSync(rows, { level: 9 }))]
  return Buffer.concat([png.subarray(0, 8), ...chunks, chunk('IEND', Buffer.alloc(0))])
}

const chunk = (type: string, data: Buffer): Buffer => {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data])
  const ends = Buffer.alloc(8)
  ends.writeUInt32BE(data.length, 0)
  ends.writeUInt32BE(crc32(body), 4)
  return Buffer.concat([ends.subarray(0, 4), body, ends.subarray(4)])
}

const decoded = (png: Buffer): { width: number; height: number; pixels: Uint32Array } => {
  const [width, height, type] = [png.readUInt32BE(16), png.readUInt32BE(20), png[25]]
  const size = type === 6 ? 4 : 3
  const bytes = unfiltered(inflateSync(Buffer.concat(dataOf(png))), width * size, height, size)
  const pixels = Uint32Array.from(
    { length: width * height },
    (_, i) => (bytes[i * size]! << 16) | (bytes[i * size + 1]! << 8) | bytes[i * size + 2]!,
  )
  return { width, height, pixels }
}

const dataOf = (png: Buffer): Buffer[] => {
  const parts: Buffer[] = []
  for (let at = 8; at < png.length; at += 12 + png.readUInt32BE(at))
    if (png.toString('latin1', at + 4, at + 8) === 'IDAT')
      parts.push(png.subarray(at + 8, at + 8 + png.readUInt32BE(at)))
  return parts
}

/** The five filters of PNG: each row says by which of its neighbours it was written. */
const unfiltered = (filtered: Buffer, rowBytes: number, height: number, size: number): Uint8Array => {
  const bytes = new Uint8Array(rowBytes * height)
  for (let row = 0; row < height; row++)
    for (let i = 0; i < rowBytes; i++) {
      const at = row * rowBytes + i
      const left = i >= size ? bytes[at - size]! : 0
      const up = row > 0 ? bytes[at - rowBytes]! : 0
      const corner = i >= size && row > 0 ? bytes[at - rowBytes - size]! : 0
      const guess = [0, left, up, (left + up) >> 1, paeth(left, up, corner)][filtered[row * (rowBytes + 1)]!]!
      bytes[at] = filtered[row * (rowBytes + 1) + 1 + i]! + guess
    }
  return bytes
}

const paeth = (left: number, up: number, corner: number): number => {
  const [a, b, c] = [Math.abs(up - corner), Math.abs(left - corner), Math.abs(left + up - 2 * corner)]
  if (a <= b && a <= c) return left
  return b <= c ? up : corner
}

const nearest = (palette: number[], colour: number): number => {
  let [best, least] = [0, Number.POSITIVE_INFINITY]
  for (const [i, one] of palette.entries()) {
    const distance = [16, 8, 0].reduce((sum, bits) => sum + (((one >> bits) & 255) - ((colour >> bits) & 255)) ** 2, 0)
    if (distance < least) [best, least] = [i, distance]
  }
  return best
}
