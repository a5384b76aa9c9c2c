"""A workflow's progress as lines of text."""

from __future__ import annotations

import math
from typing import List, NamedTuple, Optional, Sequence

from ..look.states import state_cell
from ..look.style import Paint, Style
from ..look.text_width import cut_text, plain_line, text_width
from ..look.times import duration
from .progress import Group, View

#: So many groups are shown; a terminal has 24 lines, and the newest say most.
_MOST_ROWS = 12

_MOST_NAME_WIDTH = 28
_MOST_BAR_WIDTH = 30
_LEAST_BAR_WIDTH = 8


class _Part(NamedTuple):
    text: str
    paint: Optional[Paint] = None


def progress_lines(view: View, style: Style) -> List[str]:
    """None is wider than the terminal."""
    left = len(view.groups) - _MOST_ROWS
    more = [style.paint('dim', f'  and {left} more')] if left > 0 else []
    return [_head_line(view, style), *more, *_rows_of(view.groups[-_MOST_ROWS:], style)]


def progress_sentence(view: View) -> str:
    """The same in one line, for where lines cannot be taken back."""
    parts = [
        ', '.join([f'{plain_line(group.name)} {group.ended}/{group.total}', *_texts(_numbers_of(group))])
        for group in view.groups
    ]
    told = f': {"; ".join(parts)}' if parts else ''
    return f'{view.id} {plain_line(view.name)} {view.state}, {duration(view.seconds)}{told}'


def _head_line(view: View, style: Style) -> str:
    cell = state_cell('workflow', view.state, style)
    took = f' {duration(view.seconds)}'
    room = _whole(style.columns) - 1 - text_width(f'{view.id}  {cell.text}{took}')
    name = cut_text(plain_line(view.name), max(1, room))
    parts = [
        _Part(f'{view.id} ', style.painter('bold')),
        _Part(f'{name} '),
        _Part(cell.text, cell.paint),
        _Part(took, style.painter('dim')),
    ]
    return _fitting(parts, _whole(style.columns) - 1)


def _rows_of(groups: Sequence[Group], style: Style) -> List[str]:
    """Names, bars and numbers stand below each other; a narrow terminal loses the bars first, then the last numbers."""
    width = min(_whole(style.columns), 120) - 1
    names = [plain_line(group.name) for group in groups]
    name_width = min(_MOST_NAME_WIDTH, width // 3, max([0, *map(text_width, names)]))
    counts = [f'{group.ended}/{group.total}' for group in groups]
    count_width = max([0, *map(len, counts)])
    numbers = [_numbers_of(group, style) for group in groups]
    numbers_width = max([0, *(sum(len(text) + 2 for text in _texts(parts)) for parts in numbers)])
    left = width - 2 - name_width - 2 - count_width - numbers_width - 2
    bar_width = min(_MOST_BAR_WIDTH, left) if left >= _LEAST_BAR_WIDTH else 0

    def row(group: Group, name: str, count: str, told: Sequence[_Part]) -> str:
        shown = cut_text(name, name_width)
        parts = [
            _Part(f'  {shown}{" " * (name_width - text_width(shown))}'),
            *(_bar_of(group, bar_width, style) if bar_width else []),
            _Part(f'  {count:>{count_width}}'),
            *(_Part(f'  {part.text}', part.paint) for part in told),
        ]
        return _fitting(parts, width)

    return [row(*given) for given in zip(groups, names, counts, numbers)]


def _numbers_of(group: Group, style: Optional[Style] = None) -> List[_Part]:
    def part(text: str, color: str) -> _Part:
        return _Part(text, style.painter(color) if style else None)

    rate = group.rate
    return [
        *([part(f'{group.running} running', 'cyan')] if group.running else []),
        *([part(f'{group.failed} failed', 'red')] if group.failed else []),
        *([part(f'{group.cancelled} cancelled', 'yellow')] if group.cancelled else []),
        *([part(f'{rate:.1f}/s' if rate < 10 else f'{math.floor(rate + 0.5)}/s', 'dim')] if rate is not None else []),
    ]


def _texts(parts: Sequence[_Part]) -> List[str]:
    return [part.text for part in parts]


def _bar_of(group: Group, width: int, style: Style) -> List[_Part]:
    """What has ended, what of it ended badly, and what is left. Anything at all is one character at least; all is all
    only when it is."""
    bad = min(width, _share(group.failed + group.cancelled, group.total, width))
    good = min(width - bad, _share(group.finished, group.total, width))
    full, spoilt, empty = ('█', '▒', '·') if style.unicode else ('#', 'x', '.')
    return [
        _Part('  '),
        _Part(full * good, style.painter('green')),
        _Part(spoilt * bad, style.painter('red')),
        _Part(empty * (width - good - bad), style.painter('dim')),
    ]


def _share(n: int, total: int, width: int) -> int:
    return 0 if n <= 0 else max(1, n * width // max(total, n))


def _fitting(parts: Sequence[_Part], width: int) -> str:
    """As many parts as there is room for. Each is whole or missing: half a number is a wrong one."""
    line, left = '', width
    for text, paint in parts:
        left -= text_width(text)
        if left < 0:
            break
        line += paint(text) if paint and text else text
    return line


def _whole(columns: float) -> int:
    return int(columns) if math.isfinite(columns) else 10_000
