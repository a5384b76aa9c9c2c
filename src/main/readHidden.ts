import type { ReadStream } from 'node:tty'

/**
 * What comes on standard input, to its end. A person is asked on standard error, and what he types is not shown; it ends with the line. Rejects when he gives
 * up by Ctrl-C.
 */
export const readHidden = (prompt: string): Promise<Buffer> =>
  process.stdin.isTTY ? typed(process.stdin, prompt) : piped()

const piped = async (): Promise<Buffer> => {
  const parts: Buffer[] = []
  for await (const part of process.stdin) parts.push(part as Buffer)
  return Buffer.concat(parts)
}

const typed = async (input: ReadStream, prompt: string): Promise<Buffer> => {
  process.stderr.write(prompt)
  input.setRawMode(true)
  try {
    return Buffer.from(await lineOf(input))
  } finally {
    input.setRawMode(false)
    input.pause()
    process.stderr.write('\n')
  }
}

const lineOf = (input: ReadStream): Promise<string> =>
  new Promise((resolve, reject) => {
    let text = ''
    input.setEncoding('utf8').on('data', (typed) => {
      for (const key of String(typed)) {
        if (key === '\r' || key === '\n' || key === '\u0004') return resolve(text)
        if (key === '\u0003') return reject(new Error('interrupted'))
        text = key === '\u007f' || key === '\b' ? [...text].slice(0, -1).join('') : text + key
      }
    })
  })
