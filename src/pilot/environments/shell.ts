import type { Environment } from '../../contract/environments.ts'

/** What a shell ends with whose set-up failed. */
const setUpFailedCode = 203
const setUpFailedWord = '[culm] init_env ended with status'

/** Whether a program that ended so had not been started at all, since what should run before it failed. */
export const setUpFailed = (code: number | null, lastLines: string): boolean =>
  code === setUpFailedCode && lastLines.includes(setUpFailedWord)

/**
 * The command that runs `command` as an environment wants it: after `initEnv`, or started by its last line when that is a program; with `activation` before it, where
 * it runs; then `postScript`, there too; then `cleanEnv`, in the shell of `initEnv`. It ends as `command` does.
 */
export const inShell = (
  command: readonly string[],
  { initEnv = '', cleanEnv = '', postScript = '' }: Pick<Environment, 'initEnv' | 'cleanEnv' | 'postScript'>,
  activation = '',
): string[] => {
  const inner = activation || postScript ? withShell(innerScript(command, activation, postScript)) : [...command]
  return initEnv || cleanEnv ? withShell(outerScript(inner, initEnv, cleanEnv)) : inner
}

/** What people write for shells they write for bash; where there is none, the other one has to do. */
const withShell = (script: string): string[] => [
  'sh',
  '-c',
  'if command -v bash >/dev/null 2>&1; then exec bash -c "$0"; else exec sh -c "$0"; fi',
  script,
]

const innerScript = (command: readonly string[], activation: string, postScript: string): string => {
  if (!postScript) return `${activation}\nexec ${words(command)}`
  const post = word(postScript)
  return `${activation}
culm_code=0
${words(command)} || culm_code=$?
if command -v bash >/dev/null 2>&1; then bash -c ${post}; else sh -c ${post}; fi
exit $culm_code`
}

const outerScript = (command: readonly string[], initEnv: string, cleanEnv: string): string => {
  const { before, last } = splitLines(initEnv)
  const run = `${words(command)} || culm_code=$?`
  const prefixed = `eval ${word(`${last} ${words(command)}`)} || culm_code=$?`
  return `culm_failed() { trap - EXIT; echo "${setUpFailedWord} $1" >&2; exit ${setUpFailedCode}; }
trap 'culm_failed $?' EXIT
${/\bmodule\b/.test(initEnv) ? findModule : ''}
${before.trim() === '' ? '' : `eval ${word(before)} || culm_failed $?`}
culm_code=0
${
  last === ''
    ? `trap - EXIT\n${run}`
    : `case "$(command -v -- ${firstWord(last)} 2>/dev/null)" in
  alias*) eval ${word(last)} || culm_failed $?; trap - EXIT; ${run} ;;
  */*) trap - EXIT; ${prefixed} ;;
  *) eval ${word(last)} || culm_failed $?; trap - EXIT; ${run} ;;
esac`
}
${cleanEnv === '' ? '' : `( eval ${word(cleanEnv)} ) || :`}
exit $culm_code`
}

/** Login shells know it; where this one does not, it is looked for where machines that have it keep it. */
const findModule = `command -v module >/dev/null 2>&1 || for culm_file in /etc/profile.d/modules.sh /etc/profile.d/lmod.sh /etc/profile.d/z00_lmod.sh /usr/share/modules/init/sh; do
  if [ -r "$culm_file" ]; then . "$culm_file"; break; fi
done`

const words = (all: readonly string[]): string => all.map(word).join(' ')

const word = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`

/** Words that end what others began: the last line cannot be had without those before it. */
const closing = /^(?:done|fi|esac|do|then|else|elif|\}|\))(?:\s|$)/

/**
 * The last line, and those before it; lines end with a `;` or a line break outside of quotes and parentheses. Blanks and line breaks at the end do not count; a `;` there
 * says that no line is left to start the payload with.
 */
export const splitLines = (text: string): { before: string; last: string } => {
  const trimmed = text.trim()
  let [end, depth, quote] = [0, 0, '']
  for (let at = 0; at < trimmed.length; at++) {
    const char = trimmed[at]!
    if (char === '\\' && quote !== "'") at++
    else if (quote !== '') quote = char === quote ? '' : quote
    else if (char === '#' && /(^|\s)$/.test(trimmed.slice(0, at))) at = lineEnd(trimmed, at) - 1
    else if (char === "'" || char === '"') quote = char
    else if (char === '(' || char === ')') depth += char === '(' ? 1 : -1
    else if (depth === 0 && (char === ';' || char === '\n')) end = at + 1
  }
  const last = trimmed.slice(end).trim()
  if (last.startsWith('#') || closing.test(last)) return { before: trimmed, last: '' }
  return { before: trimmed.slice(0, end), last }
}

const lineEnd = (text: string, from: number): number => {
  const end = text.indexOf('\n', from)
  return end < 0 ? text.length : end
}

/** The one that says what is run: behind variables that are set for it alone. */
const firstWord = (line: string): string =>
  /^(?:[A-Za-z_]\w*=(?:'[^']*'|"[^"]*"|[^\s'"])*\s+)*((?:'[^']*'|"[^"]*"|\\.|[^\s'"\\;&|<>()])+)/.exec(line)?.[1] ?? ':'
