"""What a command is: its name, what it takes, and what it does. Command lines are read by argparse."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

from .errors import UsageError
from .similar import similar

if TYPE_CHECKING:
    from .cli import Cli

#: Options and arguments of a command line, by name.
Given = argparse.Namespace


class Option(NamedTuple):
    """`flags` as help shows them: `-n, --limit <n>`. `<n>` is asked for, `[id]` may be left out; without either it is a
    switch."""

    flags: str
    says: str
    #: Makes a value of the text, or raises ValueError with what is wrong with it.
    read: Callable[[str], Any] = str
    default: Any = None
    #: May be repeated; its value is a list.
    gathers: bool = False

    @property
    def names(self) -> List[str]:
        return [word.rstrip(',') for word in self.flags.split() if word.startswith('-')]

    @property
    def long(self) -> str:
        return self.names[-1]

    @property
    def key(self) -> str:
        return self.long.lstrip('-').replace('-', '_')


class Argument(NamedTuple):
    """`form` as help shows it: `<id>`, `[id]`, `<id...>`, `[args...]`."""

    form: str
    says: str = ''
    choices: Sequence[str] = ()
    default: Optional[str] = None

    @property
    def name(self) -> str:
        return self.form.strip('<>[].')

    @property
    def is_required(self) -> bool:
        return self.form.startswith('<')

    @property
    def takes_many(self) -> bool:
        return '...' in self.form


@dataclass(frozen=True)
class Verb:
    name: str
    says: str
    #: Returns the exit code.
    act: Optional[Callable[[Cli, Given], int]] = None
    arguments: Sequence[Argument] = ()
    options: Sequence[Option] = ()
    #: Verbs below it, of which one is to be named.
    below: Sequence[Verb] = ()
    #: What its help ends with.
    more: str = ''


HELP = Option('-h, --help', 'explain a command')

#: What every verb takes.
GLOBAL_OPTIONS = (
    Option('-V, --version', 'print the version'),
    Option('--json', 'one JSON document, or one a line, instead of text'),
    Option('-q, --quiet', 'no progress and no remarks'),
    Option('--no-color', 'no colours (as NO_COLOR)'),
    Option('--server <url>', 'the server to speak to (CULM_SERVER, else the one of this machine)'),
    Option('--token <token>', 'who you are to it (CULM_TOKEN is not seen by others on this machine, this is)'),
)


def split_at_verb(words: Sequence[str]) -> Tuple[Optional[str], List[str]]:
    """The first word that is no global option or the value of one, and the others around it."""
    takes_value = {name for option in GLOBAL_OPTIONS if '<' in option.flags for name in option.names}
    at = 0
    while at < len(words) and words[at].startswith('-') and words[at] != '--':
        at += 2 if words[at] in takes_value else 1
    rest = list(words)
    return (rest.pop(at), rest) if at < len(rest) and rest[at] != '--' else (None, rest)


def before_dashes(words: Sequence[str]) -> Sequence[str]:
    """What may be options: after `--` all is text."""
    return words[: words.index('--')] if '--' in words else words


def read_words(words: Sequence[str], options: Sequence[Option], arguments: Sequence[Argument], name: str) -> Given:
    """Raises UsageError for what does not fit. Options may stand anywhere before `--`."""
    options_end = len(before_dashes(words))
    given, operands = _read_options(words[:options_end], options)
    operands += words[options_end + 1 :]
    if not (given.help or given.version):
        _take_operands(given, arguments, operands, name)
    return given


def _read_options(words: Sequence[str], options: Sequence[Option]) -> Tuple[Given, List[str]]:
    """argparse finds the options; the operands are ours, since its own errors about them are not Culm's."""
    every = (*options, HELP, *GLOBAL_OPTIONS)
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    for option in every:
        parser.add_argument(*option.names, dest=option.key, **_kind_of(option))
    parser.add_argument('operands', nargs='*')
    try:
        given, unknown = parser.parse_known_intermixed_args(list(words))
    except argparse.ArgumentError as error:
        at_fault = [option for option in every if '/'.join(option.names) == error.argument_name]
        raise UsageError(_sentence_of(at_fault[0], error) if at_fault else str(error)) from None
    if unknown:
        raise UsageError(f"unknown option '{unknown[0]}'{similar(unknown[0], [option.long for option in every])}")
    for option in options:
        setattr(given, option.key, _value_of(option, getattr(given, option.key)))
    operands: List[str] = given.operands
    return given, operands


def _kind_of(option: Option) -> Dict[str, Any]:
    if option.gathers:
        return {'action': 'append'}
    if '<' in option.flags:
        return {}
    return {'nargs': '?', 'const': True} if '[' in option.flags else {'action': 'store_true'}


def _sentence_of(option: Option, error: argparse.ArgumentError) -> str:
    if 'explicit argument' in str(error):
        return f"option '{option.flags}' takes no value"
    return f"option '{option.flags}' argument missing"


def _value_of(option: Option, text: Any) -> Any:
    """Reads what was given; switches are as they are."""
    if text is None:
        return option.default
    if isinstance(text, list):
        return [_value_of(option._replace(gathers=False), one) for one in text]
    if isinstance(text, bool):
        return text
    try:
        return option.read(text)
    except ValueError as error:
        raise UsageError(f"option '{option.flags}' argument '{text}' is invalid. {error}") from None


def _take_operands(given: Given, arguments: Sequence[Argument], operands: List[str], name: str) -> None:
    rest = list(operands)
    for argument in arguments:
        if argument.is_required and not rest:
            raise UsageError(f"missing required argument '{argument.name}'")
        value: Any = rest if argument.takes_many else rest.pop(0) if rest else argument.default
        if argument.takes_many:
            rest = []
        elif argument.choices and value not in argument.choices:
            raise UsageError(
                f"command-argument value '{value}' is invalid for argument '{argument.name}'. "
                f'Allowed choices are {", ".join(argument.choices)}.'
            )
        setattr(given, argument.name, value)
    if rest:
        n = len(arguments)
        expected = f'{n} argument{"" if n == 1 else "s"}'
        raise UsageError(f"too many arguments for '{name}'. Expected {expected} but got {len(operands)}.")
