/**
 * Cuts a stream of bytes into lines of UTF-8 text. Not `node:readline`: it also ends a line at U+2028, which JSON text may hold.
 * Throws when a line grows beyond `maxBytes`, so that a peer that never ends one cannot fill the memory.
 */
export const makeLineReader = (onLine: (line: string) => void, maxBytes = 64_000_000): ((chunk: Buffer) => void) => {
  let parts: Buffer[] = []
  let bytes = 0
  return (chunk) => {
    let from = 0
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, from)) {
      parts.push(chunk.subarray(from, end))
      const line = (parts.length === 1 ? parts[0]! : Buffer.concat(parts)).toString()
      parts = []
      bytes = 0
      from = end + 1
      onLine(line)
    }
    if (from === chunk.length) return
    parts.push(chunk.subarray(from))
    bytes += chunk.length - from
    if (bytes > maxBytes) throw new Error(`a line of more than ${maxBytes} bytes`)
  }
}
