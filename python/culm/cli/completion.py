"""`culm completion bash|zsh|fish`"""

from __future__ import annotations

from typing import Callable, Dict, List, NamedTuple, Sequence

from .cli import Cli
from .verb import GLOBAL_OPTIONS, HELP, Argument, Given, Option, Verb


class _Word(NamedTuple):
    """One word that may stand somewhere, and what it does."""

    word: str
    says: str = ''


class _Words(NamedTuple):
    """What may stand after a verb: its own options, and what it takes from a list."""

    verb: _Word
    options: List[_Word]
    choices: List[_Word]
    takes_files: bool


def completion_verb(others: Sequence[Verb]) -> Verb:
    """The verb that prints completions of itself and of the others."""

    def act(cli: Cli, given: Given) -> int:
        words = [_words_of(verb) for verb in (*others, own)]
        cli.print(_SCRIPTS[given.shell](words).rstrip('\n'))
        return 0

    own = Verb(
        'completion',
        'print a completion script for your shell',
        act,
        arguments=[Argument('<shell>', choices=list(_SCRIPTS))],
        more="""
To have it in every new shell:
  bash   culm completion bash > ~/.local/share/bash-completion/completions/culm
  zsh    culm completion zsh > ~/.zfunc/_culm        (a folder of your fpath)
  fish   culm completion fish > ~/.config/fish/completions/culm.fish
""",
    )
    return own


def _words_of(verb: Verb) -> _Words:
    below = [_Word(other.name, other.says) for other in verb.below]
    choices = [_Word(choice) for argument in verb.arguments for choice in argument.choices]
    takes_files = any(argument.name == 'file' for argument in verb.arguments)
    return _Words(_Word(verb.name, verb.says), _options_of(verb.options), [*below, *choices], takes_files)


def _options_of(options: Sequence[Option]) -> List[_Word]:
    return [_Word(option.long, option.says) for option in (*options, HELP)]


_GLOBAL = _options_of(GLOBAL_OPTIONS)


def _bash(words: Sequence[_Words]) -> str:
    """Verbs first; after a verb its own options, what it takes from a list, and the options of all. Where nothing fits,
    files."""
    cases = '\n'.join(
        f'    {verb.word}) words={_quoted(_listed([*choices, *options, *_GLOBAL]))} ;;'
        for verb, options, choices, _ in words
    )
    return f"""\
_culm() {{
  local cur=${{COMP_WORDS[COMP_CWORD]}} verb= word words
  for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
    [[ $word == -* ]] || {{ verb=$word; break; }}
  done
  case $verb in
{cases}
    *) words={_quoted(_listed([*(verb for verb, *_ in words), *_GLOBAL]))} ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}}
complete -o default -F _culm culm
"""


def _zsh(words: Sequence[_Words]) -> str:
    cases = '\n'.join(
        f'    {verb.word}) offered=({_described([*choices, *options, *_GLOBAL])}){" ; _files" * takes_files} ;;'
        for verb, options, choices, takes_files in words
    )
    return f"""\
#compdef culm
_culm() {{
  local verb= word
  local -a offered
  for word in ${{words[2,CURRENT-1]}}; do
    [[ $word == -* ]] || {{ verb=$word; break }}
  done
  case $verb in
{cases}
    *) offered=({_described([*(verb for verb, *_ in words), *_GLOBAL])}) ;;
  esac
  _describe culm offered
}}
if [[ $funcstack[1] == _culm ]]; then _culm "$@"; else compdef _culm culm; fi
"""


def _fish(words: Sequence[_Words]) -> str:
    lines = [
        f'complete -c culm -f -n __fish_use_subcommand -a {verb.word} -d {_quoted(verb.says)}' for verb, *_ in words
    ]
    lines += [_fish_option(option, '') for option in _GLOBAL]
    for verb, options, choices, takes_files in words:
        seen = f' -n {_quoted(f"__fish_seen_subcommand_from {verb.word}")}'
        lines += [_fish_option(option, seen) for option in options]
        lines += [f'complete -c culm -f{seen} -a {choice.word}' for choice in choices]
        lines += [f'complete -c culm -F{seen}'] if takes_files else []
    return '\n'.join(lines)


def _fish_option(option: _Word, condition: str) -> str:
    return f'complete -c culm{condition} -l {option.word.lstrip("-")} -d {_quoted(option.says)}'


_SCRIPTS: Dict[str, Callable[[Sequence[_Words]], str]] = {'bash': _bash, 'zsh': _zsh, 'fish': _fish}


def _listed(words: Sequence[_Word]) -> str:
    return ' '.join(word.word for word in words)


def _described(words: Sequence[_Word]) -> str:
    """`_describe` takes `word:explanation`."""
    return ' '.join(_quoted(f'{word.word}:{word.says.replace(":", "")}') for word in words)


def _quoted(text: str) -> str:
    return "'{}'".format(text.replace("'", "'\\''"))
