import { Argument, Command } from 'commander'
import type { Cli } from './cli.ts'

const shells = ['bash', 'zsh', 'fish'] as const

export const completionCommand = (cli: Cli, program: Command): Command =>
  new Command('completion')
    .description('print a completion script for your shell')
    .addArgument(new Argument('<shell>').choices(shells))
    .addHelpText(
      'after',
      `
To have it in every new shell:
  bash   culm completion bash > ~/.local/share/bash-completion/completions/culm
  zsh    culm completion zsh > ~/.zfunc/_culm        (a folder of your fpath)
  fish   culm completion fish > ~/.config/fish/completions/culm.fish`,
    )
    .action((shell: (typeof shells)[number]) => cli.print(scripts[shell](wordsOf(program)).trimEnd()))

/** One word that may stand somewhere, and what it does. */
type Word = { word: string; says: string }
type Verb = Word & { options: Word[]; choices: Word[]; takesFiles: boolean }
type Words = { verbs: Verb[]; options: Word[] }

const wordsOf = (program: Command): Words => ({
  options: optionsOf(program),
  verbs: program.commands.map((command) => ({
    word: command.name(),
    says: command.description(),
    options: optionsOf(command),
    choices: [
      ...command.commands.map((below) => ({ word: below.name(), says: below.description() })),
      ...command.registeredArguments.flatMap(({ argChoices = [] }) => argChoices.map((word) => ({ word, says: '' }))),
    ],
    takesFiles: command.registeredArguments.some((argument) => argument.name() === 'file'),
  })),
})

const optionsOf = (command: Command): Word[] =>
  command
    .createHelp()
    .visibleOptions(command)
    .map(({ long, short, description }) => ({ word: long ?? short ?? '', says: description }))

/** Verbs first; after a verb its own options, what it takes from a list, and the options of all. Where nothing fits, files. */
const bash = ({ verbs, options }: Words): string =>
  `
_culm() {
  local cur=\${COMP_WORDS[COMP_CWORD]} verb= word words
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    [[ $word == -* ]] || { verb=$word; break; }
  done
  case $verb in
${verbs.map((verb) => `    ${verb.word}) words=${quoted(listed([...verb.choices, ...verb.options, ...options]))} ;;`).join('\n')}
    *) words=${quoted(listed([...verbs, ...options]))} ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o default -F _culm culm
`.slice(1)

const zsh = ({ verbs, options }: Words): string =>
  `
#compdef culm
_culm() {
  local verb= word
  local -a offered
  for word in \${words[2,CURRENT-1]}; do
    [[ $word == -* ]] || { verb=$word; break }
  done
  case $verb in
${verbs.map((verb) => `    ${verb.word}) offered=(${described([...verb.choices, ...verb.options, ...options])})${verb.takesFiles ? ' ; _files' : ''} ;;`).join('\n')}
    *) offered=(${described([...verbs, ...options])}) ;;
  esac
  _describe culm offered
}
if [[ $funcstack[1] == _culm ]]; then _culm "$@"; else compdef _culm culm; fi
`.slice(1)

const fish = ({ verbs, options }: Words): string =>
  [
    ...verbs.map(({ word, says }) => `complete -c culm -f -n __fish_use_subcommand -a ${word} -d ${quoted(says)}`),
    ...options.map(fishOption('')),
    ...verbs.flatMap((verb) => {
      const seen = ` -n ${quoted(`__fish_seen_subcommand_from ${verb.word}`)}`
      return [
        ...verb.options.map(fishOption(seen)),
        ...verb.choices.map(({ word }) => `complete -c culm -f${seen} -a ${word}`),
        ...(verb.takesFiles ? [`complete -c culm -F${seen}`] : []),
      ]
    }),
  ].join('\n')

const fishOption =
  (condition: string) =>
  ({ word, says }: Word): string =>
    `complete -c culm${condition} -l ${word.replace(/^--/, '')} -d ${quoted(says)}`

const scripts: Record<(typeof shells)[number], (words: Words) => string> = { bash, zsh, fish }

const listed = (words: Word[]): string => words.map(({ word }) => word).join(' ')

/** `_describe` takes `word:explanation`. */
const described = (words: Word[]): string =>
  words.map(({ word, says }) => quoted(`${word}:${says.replaceAll(':', '')}`)).join(' ')

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`
