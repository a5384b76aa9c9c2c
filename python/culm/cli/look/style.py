"""How to write for one output: what its readers can see."""

from __future__ import annotations

import datetime
import math
import re
from typing import Callable, Mapping, NamedTuple

from ..output import Output

Paint = Callable[[str], str]

#: What switches a colour on and off.
_CODES = {'bold': (1, 22), 'dim': (2, 22), 'red': (31, 39), 'green': (32, 39), 'yellow': (33, 39), 'cyan': (36, 39)}


class Style(NamedTuple):
    colored: bool
    #: Whether more than ASCII can be shown.
    unicode: bool
    #: Width to keep to, characters; infinite when no terminal says so, since what goes into a file is not to be cut.
    columns: float
    #: What ages are told relative to.
    now: datetime.datetime

    def paint(self, color: str, text: str) -> str:
        if not self.colored:
            return text
        on, off = _CODES[color]
        return f'\033[{on}m{text}\033[{off}m'

    def painter(self, color: str) -> Paint:
        return lambda text: self.paint(color, text)


def style_of(output: Output, env: Mapping[str, str], plain: bool) -> Style:
    return Style(
        colored=not plain and _wants_color(output, env),
        unicode=_is_unicode(env),
        columns=(output.columns or 80) if output.is_tty else math.inf,
        now=datetime.datetime.now(datetime.timezone.utc),
    )


def _wants_color(output: Output, env: Mapping[str, str]) -> bool:
    """https://no-color.org and https://force-color.org: set and not empty."""
    if env.get('NO_COLOR'):
        return False
    if env.get('FORCE_COLOR'):
        return env['FORCE_COLOR'] != '0'
    return output.is_tty and env.get('TERM') != 'dumb'


def _is_unicode(env: Mapping[str, str]) -> bool:
    """As POSIX says: the first of the three that is set. None set is what containers have, whose terminals show all."""
    locale = env.get('LC_ALL') or env.get('LC_CTYPE') or env.get('LANG')
    return locale is None or re.search('utf-?8', locale, re.IGNORECASE) is not None
