import type { AttemptCause } from '../../domain/job/causes.ts'

/** A failure as the place where it happened tells it. */
export type Failure = { cause: AttemptCause; type: string; message: string }

/** What failures of one kind have in common, and one of them as people read it. */
export type Kind = { cause: AttemptCause; fingerprint: string; text: string }

/** So many characters of a message are looked at and kept; a fingerprint is shorter, since it is part of a key. */
export const [maxText, maxFingerprint] = [500, 250]

/**
 * What differs between failures of one kind, and what takes its place: `…` for what stands for one thing of many (something quoted, an address, a path), `#` for what is counted or
 * numbered. Times come before numbers, and paths before ids, since they consist of them.
 */
const varying: readonly [RegExp, string][] = [
  [/(?<!\w)(["'`])(?:(?!\1).)+\1(?!\w)|“[^”]+”|‘[^’]+’/g, '…'],
  [/\b[a-z][a-z0-9+.-]{0,15}:\/\/[^\s…]+/gi, '…'],
  [/(?:(?<![\w…])|\b[a-z]:)(?:~|\.{1,2})?[/\\][^\s,;:()[\]…]+/gi, '…'],
  [/\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?)?/g, '#'],
  [/\b\d{1,2}:\d\d(?::\d\d)?(?:\.\d+)?\b/g, '#'],
  [/\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/gi, '#'],
  [/\b0x[0-9a-f]+\b/gi, '#'],
  [/(?<![\w.])(?=[a-f]*\d)(?=\d*[a-f])[0-9a-f]{7,}(?![\w]|[.+-]\d)/gi, '#'],
  [/\b[wtjpk]\d+\b/g, '#'],
  [/[-+]?\d+(?:[.,_]\d+)*(?:e[-+]?\d+)?/gi, '#'],
]

/** Failures that differ only in numbers, hex digits, ids, paths, quoted words and times are of one kind. */
export const kindOf = ({ cause, type, message }: Failure): Kind => {
  const text = oneLine(message)
  const common = varying.reduce((rest, [form, to]) => rest.replace(form, to), text)
  const name = oneLine(type).replace(/\d+/g, '#')
  return {
    cause,
    fingerprint: cut(`${name}: ${common}`.replace(/#(?:[ ,]+#)+/g, '#'), maxFingerprint),
    text: cut(`${oneLine(type)}: ${text}`, maxText),
  }
}

/** The database's text holds no NUL, and a list no line breaks. */
const oneLine = (text: string): string =>
  text
    .slice(0, 2 * maxText)
    .replace(/[\s\u0000-\u001f\u007f-\u009f]+/g, ' ')
    .trim()
    .slice(0, maxText)

const cut = (text: string, most: number): string => text.slice(0, most).toWellFormed()
