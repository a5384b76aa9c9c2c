import { useEffect, useRef, useState } from 'react'
import type { LogChunk } from '../../../../src/contract/jobs.ts'
import type { ReplyOf } from '../../../../src/contract/routes.ts'
import { ask } from '../../api/ask.ts'
import type { JobId } from '../../api/queries.ts'
import { sleep, untilSeen } from '../../live/follow.ts'
import { Section } from '../../parts/section.tsx'
import { useSearchIn } from './searchIn.ts'

/** The last so many characters of a log are kept. */
const mostLength = 1_000_000

/** What a job prints, as it prints it. It is added to by hand: it may be long, and what someone selected in it stays selected. */
export const Log = ({ id, isOver }: { id: JobId; isOver: boolean }) => {
  const lines = useRef<HTMLPreElement>(null)
  const [isFollowed, setFollowed] = useState(true)
  const [remark, setRemark] = useState('')
  const [version, setVersion] = useState(0)
  const followed = useRef(true)
  followed.current = isFollowed

  useEffect(() => {
    const leaving = new AbortController()
    const log = lines.current!
    log.replaceChildren()
    const paper = makePaper(log)
    readLog(id, leaving.signal, (chunks, isAll) => {
      chunks.forEach(paper.add)
      if (followed.current && chunks.length > 0) log.scrollTop = log.scrollHeight
      if (chunks.length > 0) setVersion((n) => n + 1)
      if (paper.isCut()) setRemark(`Its end; culm logs ${id} has all of it`)
      else setRemark(isAll && !log.firstChild ? 'It printed nothing' : '')
    })
    return () => leaving.abort()
  }, [id])
  const search = useSearchIn(lines, version)
  const scrolled = () => {
    const { scrollHeight, scrollTop, clientHeight } = lines.current!
    setFollowed(scrollHeight - scrollTop - clientHeight < 30)
  }
  const follow = (wanted: boolean) => {
    setFollowed(wanted)
    if (wanted) lines.current!.scrollTop = lines.current!.scrollHeight
  }
  const tools = (
    <span className="tools small soft">
      {remark}
      <input
        type="search"
        aria-label="Search the log"
        placeholder="Search the log"
        size={16}
        value={search.text}
        onChange={(event) => search.setText(event.target.value)}
        onKeyDown={(event) => event.key === 'Enter' && search.step(event.shiftKey ? -1 : 1)}
      />
      <span className={search.text ? 'num' : 'hidden-word'} aria-live="polite">
        {search.text && `${search.at}/${search.found}`}
      </span>
      {!isOver && (
        <label className="tools">
          <input type="checkbox" checked={isFollowed} onChange={(event) => follow(event.target.checked)} />
          Follow
        </label>
      )}
    </span>
  )
  return (
    <Section title="Log" aside={tools}>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keys */}
      <pre ref={lines} className="log" tabIndex={0} role="log" aria-label="Log" aria-live="off" onScroll={scrolled} />
    </Section>
  )
}

/** Reads to the end, waiting for what is printed meanwhile. */
const readLog = async (id: JobId, signal: AbortSignal, read: (chunks: LogChunk[], isAll: boolean) => void) => {
  let after: string | undefined
  for (let isOver = false; !signal.aborted; ) {
    await untilSeen(signal)
    const page: ReplyOf<'jobLog'> | undefined = await ask('GET /v1/jobs/:id/log', {
      params: { id },
      query: { waitSeconds: isOver ? 0 : 20, after },
      signal: whileSeen(signal),
    }).catch(() => undefined)
    if (signal.aborted) return
    if (page) {
      read(page.items, page.ended)
      after = page.next
      isOver = page.ended
    }
    // A job that has ended may be tried again.
    if (!page || isOver) await sleep(isOver ? 20_000 : 2000, signal)
  }
}

/** A hidden tab holds no request open. */
const whileSeen = (signal: AbortSignal) => {
  const hidden = new AbortController()
  document.addEventListener('visibilitychange', () => hidden.abort(), { once: true, signal })
  return AbortSignal.any([signal, hidden.signal])
}

const colours = /\x1b\[[0-9;?]*[A-Za-z]/g

/** Writes chunks into an element, pieces of one stream together. */
const makePaper = (log: HTMLElement) => {
  let [attempt, length, isCut] = [1, 0, false]
  const write = (kind: string, text: string) => {
    const last = log.lastChild as HTMLElement | null
    const piece = last?.firstChild
    if (last?.className === kind && piece instanceof Text && piece.length < 10_000) piece.appendData(text)
    else log.append(Object.assign(document.createElement('span'), { className: kind, textContent: text }))
    for (length += text.length; length > mostLength && log.firstChild !== log.lastChild; isCut = true) {
      length -= log.firstChild!.textContent!.length
      log.firstChild!.remove()
    }
  }
  const add = (chunk: LogChunk) => {
    if (chunk.attempt !== attempt) write('mark', `attempt ${chunk.attempt}`)
    attempt = chunk.attempt
    const text = chunk.text.replace(colours, '')
    if (text) write(chunk.stream, text)
  }
  return { add, isCut: () => isCut }
}
