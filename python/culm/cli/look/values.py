"""Values and arguments as people read them: text as it is, everything else as Python writes it."""

from __future__ import annotations

import json
import math
import pprint
import reprlib
from decimal import Decimal
from typing import Any, Mapping

from ..._errors import CulmError
from ..._values import decode
from .style import Style
from .text_width import plain_text

#: More of a value is in `--json`, characters.
_MOST_SHOWN = 10_000

#: Travels as: a text, or where it is stored (`value` in `src/contract/base.ts`).
Sent = Mapping[str, Any]


def show_value(value: Any, style: Style) -> str:
    if isinstance(value, str):
        return value
    width = style.columns if math.isfinite(style.columns) else 100
    text = pprint.pformat(value, width=int(width), depth=6, compact=True, sort_dicts=False)
    return text if len(text) <= _MOST_SHOWN else f'{text[:_MOST_SHOWN]} …'


def show_sent(value: Sent, style: Style) -> str:
    """A value as it travels. What is stored apart is only named, what cannot be decoded here is shown as its text."""
    if 'blob' in value:
        return f'({megabytes(value["bytes"] / 1e6)}, stored as {value["blob"][:12]})'
    shown = _decoded(value['text'])
    return plain_text(shown) if isinstance(shown, str) else show_value(shown, style)


def json_of(value: Sent) -> Any:
    """For `--json`: the value with the tags of what JSON lacks, or the place where it is stored."""
    return json.loads(value['text']) if 'text' in value else {'$culm': 'stored', 'v': dict(value)}


def show_arguments(value: Sent, style: Style) -> str:
    """The arguments of a job as they would be written: `3, 'a', scale=2`."""
    if 'blob' in value:
        return show_sent(value, style)
    given = _decoded(value['text'])
    if not isinstance(given, dict):
        return str(given)
    named = [f'{name}={_short.repr(arg)}' for name, arg in given.get('k', {}).items()]
    return ', '.join([*map(_short.repr, given.get('a', [])), *named])


def number_text(number: float) -> str:
    """As JavaScript writes it."""
    text = repr(number)
    if 'e-' not in text:
        return text
    return f'{Decimal(text):f}' if abs(number) >= 1e-6 else text.replace('e-0', 'e-')


def megabytes(mb: float) -> str:
    """10^6 bytes, or 10^9: `812 MB`, `1.3 GB`."""
    if mb >= 1000:
        return f'{mb / 1000:.1f} GB'
    return f'{math.floor(mb + 0.5)} MB' if mb >= 10 else f'{mb:.1f} MB'


def _decoded(text: str) -> Any:
    try:
        return decode(text)
    except (CulmError, ValueError):
        return text


_short = reprlib.Repr()
_short.maxlevel = 3
_short.maxstring = _short.maxother = 200
