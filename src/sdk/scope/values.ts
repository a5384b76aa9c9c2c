import { maxInlineBytes, type Value } from '../../contract/base.ts'
import type { Client } from '../../contract/client.ts'
import { backoffMs } from '../../lib/backoff.ts'
import { sleep } from '../../lib/clock.ts'
import { sha256 } from '../../lib/digest.ts'
import { isFault } from '../../lib/fault.ts'

/**
 * How often bytes are sent or fetched before it is given up; the addresses are asked for anew each time, since they
 * expire.
 */
const tries = 5

/** The text of a value as it travels: inline, or stored under its hash when it is large. */
export const sendText = async (client: Client, text: string): Promise<Value> => {
  if (text.length <= maxInlineBytes && Buffer.byteLength(text) <= maxInlineBytes) return { text }
  const content = Buffer.from(text)
  const blob = sha256(content)
  await again(async () => {
    const { present, url } = await client.call('createBlob', {
      body: { hash: blob, bytes: content.length },
      repeat: true,
    })
    if (!present && url) await client.put(url, content)
  })
  return { blob, bytes: content.length }
}

/** The text of a value that came, fetched when it is stored. */
export const fetchText = async (client: Client, value: Value, workflowId: string): Promise<string> => {
  if ('text' in value) return value.text
  return again(async () => {
    const { url } = await client.call('getBlob', {
      params: { hash: value.blob },
      query: { workflowId: workflowId as `w${number}` },
    })
    return (await client.get(url)).toString('utf8')
  })
}

/**
 * Repeats what failed on the way though the client went on for long, such as an address that expired meanwhile; what the server refused is refused.
 */
export const again = async <T>(run: () => Promise<T>): Promise<T> => {
  for (let n = 1; ; n++) {
    try {
      return await run()
    } catch (error) {
      if (n === tries || (isFault(error) && error.code !== 'signature_invalid' && error.code !== 'server_away'))
        throw error
      await sleep(backoffMs(n))
    }
  }
}
