"""The help of a command, laid out as the command line for Node lays it out."""

from __future__ import annotations

import json
import textwrap
from typing import List, NamedTuple, Sequence

from .verb import GLOBAL_OPTIONS, HELP, Argument, Option, Verb

#: A column that is narrower than this is not wrapped.
_LEAST_WRAPPED = 40


class _Item(NamedTuple):
    term: str
    says: str


class _Section(NamedTuple):
    title: str
    items: List[_Item]


def help_text(verb: Verb, path: str, width: int) -> str:
    """`path` is how it is called: `culm secret set`; of the program itself `culm`."""
    is_program = path == verb.name
    sections = [
        _Section('Arguments:', [_item_of_argument(argument) for argument in verb.arguments if argument.says]),
        _Section('Options:', [_item_of_option(option) for option in _options_of(verb, is_program)]),
        _Section('Global Options:', [] if is_program else [_item_of_option(option) for option in GLOBAL_OPTIONS]),
        _Section('Commands:', [*map(_item_of_verb, verb.below), *_HELP_ITEM] if verb.below else []),
    ]
    column = max(len(item.term) for section in sections for item in section.items)
    usage = f'Usage: {path} [options]{_forms(verb.arguments)}{" [command]" if verb.below else ""}'
    parts = [usage, '', *_wrapped(verb.says, width), '']
    for title, items in sections:
        if items:
            parts += [title, *(line for item in items for line in _lines_of(item, column, width)), '']
    return '\n'.join([*parts, *([verb.more.strip('\n')] if verb.more else [])]).rstrip('\n') + '\n'


_HELP_ITEM = [_Item('help [command]', 'display help for command')]


def _options_of(verb: Verb, is_program: bool) -> Sequence[Option]:
    return (*(GLOBAL_OPTIONS if is_program else verb.options), HELP)


def _item_of_option(option: Option) -> _Item:
    return _Item(option.flags, f'{option.says}{_default(option.default)}')


def _item_of_argument(argument: Argument) -> _Item:
    choices = f' (choices: {", ".join(map(json.dumps, argument.choices))})' if argument.choices else ''
    return _Item(argument.name, f'{argument.says}{_default(argument.default)}{choices}'.strip())


def _item_of_verb(verb: Verb) -> _Item:
    return _Item(f'{verb.name}{" [options]" if verb.options else ""}{_forms(verb.arguments)}', verb.says)


def _forms(arguments: Sequence[Argument]) -> str:
    return ''.join(f' {argument.form}' for argument in arguments)


def _default(value: object) -> str:
    return '' if value is None else f' (default: {json.dumps(value)})'


def _lines_of(item: _Item, column: int, width: int) -> List[str]:
    room = width - column - 4
    lines = _wrapped(item.says, room) if room >= _LEAST_WRAPPED else [item.says]
    first, *rest = lines or ['']
    return [f'  {item.term:<{column}}  {first}'.rstrip(), *(f'{" " * (column + 4)}{line}' for line in rest)]


def _wrapped(text: str, width: int) -> List[str]:
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)
