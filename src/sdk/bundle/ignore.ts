import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'

/** What bundles leave out, in the syntax of `.gitignore` (gitignore(5)); there may be one in each folder. */
export const ignoreFile = '.culmignore'

/** One line of an ignore file. */
type Rule = { line: number; takesBack: boolean; onlyFolders: boolean; pattern: RegExp }

/** The line that leaves something out. */
export type IgnoredBy = { file: string; line: number }

/** The ignore files of a folder and of those below it. */
export class IgnoreFiles {
  readonly #root: string
  readonly #rules = new Map<string, Rule[]>()

  constructor(root: string) {
    this.#root = root
  }

  /** The line that leaves out `path`, which is relative to the root: itself, or a folder that it is in. Undefined when none does. */
  lineFor(path: string, isFolder = false): IgnoredBy | undefined {
    const parts = path.split('/')
    for (let n = 1; n <= parts.length; n++) {
      const found = this.#decisive(parts.slice(0, n), isFolder || n < parts.length)
      if (found) return found
    }
    return undefined
  }

  /** The nearest file that has a word on it decides, and in it the last such line. */
  #decisive(parts: readonly string[], isFolder: boolean): IgnoredBy | undefined {
    for (let depth = parts.length - 1; depth >= 0; depth--) {
      const folder = parts.slice(0, depth).join('/')
      const below = parts.slice(depth).join('/')
      const rule = this.#rulesIn(folder).findLast(
        ({ onlyFolders, pattern }) => (isFolder || !onlyFolders) && pattern.test(below),
      )
      if (rule)
        return rule.takesBack ? undefined : { file: folder ? `${folder}/${ignoreFile}` : ignoreFile, line: rule.line }
    }
    return undefined
  }

  #rulesIn(folder: string): Rule[] {
    const known = this.#rules.get(folder)
    if (known) return known
    const file = join(this.#root, folder, ignoreFile)
    const rules = existsSync(file) ? rulesIn(readFileSync(file, 'utf8')) : []
    this.#rules.set(folder, rules)
    return rules
  }
}

/** The ignore files that a source falls under: those of its package, or of its folder when it is in none. */
export const ignoreFilesOf = (file: string): { ignored: IgnoreFiles; path: string } => {
  const root = packageFolder(dirname(file)) ?? dirname(file)
  return { ignored: new IgnoreFiles(root), path: relative(root, file).split(sep).join('/') }
}

const packageFolder = (folder: string): string | undefined => {
  if (existsSync(join(folder, 'package.json'))) return folder
  return dirname(folder) === folder ? undefined : packageFolder(dirname(folder))
}

const rulesIn = (text: string): Rule[] =>
  text
    .replace(/^\ufeff/, '')
    .split('\n')
    .flatMap((written, n) => {
      const rule = ruleIn(written.replace(/\r$/, ''))
      return rule ? [{ line: n + 1, ...rule }] : []
    })

const ruleIn = (written: string): Omit<Rule, 'line'> | undefined => {
  if (written.startsWith('#')) return undefined
  const takesBack = written.startsWith('!')
  const trimmed = withoutEndingBlanks(written).slice(takesBack ? 1 : 0)
  const onlyFolders = trimmed.endsWith('/')
  const path = onlyFolders ? trimmed.slice(0, -1) : trimmed
  const body = path.includes('/') ? pathPattern(path.replace(/^\//, '')) : namePattern(path)
  if (body === undefined || path === '') return undefined
  return { takesBack, onlyFolders, pattern: new RegExp(body, 'su') }
}

/** Those before the end of the line; one after a backslash stays. */
const withoutEndingBlanks = (line: string): string => line.replace(/^((?:\\.|[^\\])*?)\x20+$/s, '$1')

/** A pattern without a slash is one of names, at any depth. */
const namePattern = (glob: string): string | undefined => {
  const body = translated(glob, false)
  return body === undefined ? undefined : `(?:^|/)${body}$`
}

const pathPattern = (glob: string): string | undefined => {
  const body = translated(glob, true)
  return body === undefined ? undefined : `^${body}$`
}

/** The regular expression of a pattern; undefined for one that git takes to match nothing. `deep`: two stars between slashes stand for any folders. */
const translated = (glob: string, deep: boolean): string | undefined => {
  let made = ''
  for (let at = 0; at < glob.length; ) {
    const char = glob[at]!
    if (char === '*') {
      const stars = /^\*+/.exec(glob.slice(at))![0].length
      const rest = glob.slice(at + stars)
      const spansFolders = deep && stars > 1 && (at === 0 || glob[at - 1] === '/') && /^(?:$|\\?\/)/.test(rest)
      const alsoNone = spansFolders && rest.startsWith('/')
      made += alsoNone ? '(?:.*/)?' : spansFolders ? '.*' : '[^/]*'
      at += stars + (alsoNone ? 1 : 0)
    } else if (char === '?') {
      made += '[^/]'
      at++
    } else if (char === '[') {
      const set = setAt(glob, at)
      if (!set) return undefined
      made += set.pattern
      at = set.end
    } else if (char === '\\') {
      if (at + 1 === glob.length) return undefined
      made += literal(glob[at + 1]!)
      at += 2
    } else {
      made += literal(char)
      at++
    }
  }
  return made
}

const literal = (char: string): string => char.replace(/[\\^$.*+?()[\]{}|/]/, '\\$&')

const classes: Record<string, string> = {
  alnum: 'A-Za-z0-9',
  alpha: 'A-Za-z',
  blank: ' \\t',
  cntrl: '\\x00-\\x1f\\x7f',
  digit: '0-9',
  graph: '\\x21-\\x7e',
  lower: 'a-z',
  print: '\\x20-\\x7e',
  punct: '\\x21-\\x2f\\x3a-\\x40\\x5b-\\x60\\x7b-\\x7e',
  space: '\\s',
  upper: 'A-Z',
  xdigit: 'A-Fa-f0-9',
}

/** `[a-z]`, `[!a]`, `[[:digit:]]`: a bracket right behind the first is one of the set. Never a slash. */
const setAt = (glob: string, start: number): { pattern: string; end: number } | undefined => {
  const isNegated = /[!^]/.test(glob[start + 1] ?? '')
  let members = ''
  let before: string | undefined
  for (let at = start + (isNegated ? 2 : 1), isFirst = true; at < glob.length; isFirst = false) {
    const char = glob[at]!
    if (char === ']' && !isFirst) return { pattern: `(?!/)[${isNegated ? '^' : ''}${members}]`, end: at + 1 }
    const named = char === '[' && glob[at + 1] === ':' ? /^\[:([^\]]*):\]/.exec(glob.slice(at)) : null
    if (named) {
      const known = classes[named[1]!]
      if (known === undefined) return undefined
      members += known
      before = undefined
      at += named[0].length
    } else if (char === '-' && before !== undefined && glob[at + 1] !== undefined && glob[at + 1] !== ']') {
      const isEscaped = glob[at + 1] === '\\'
      const last = glob[at + (isEscaped ? 2 : 1)]
      if (last === undefined) return undefined
      if (before <= last) members += `${member(before)}-${member(last)}`
      before = undefined
      at += isEscaped ? 3 : 2
    } else {
      const isEscaped = char === '\\'
      before = glob[at + (isEscaped ? 1 : 0)]
      if (before === undefined) return undefined
      members += member(before)
      at += isEscaped ? 2 : 1
    }
  }
  return undefined
}

const member = (char: string): string => char.replace(/[\\\]^[-]/, '\\$&')
