"""Aligned columns under their titles, without borders."""

from __future__ import annotations

from typing import List, NamedTuple, Sequence, Union

from .style import Paint, Style
from .text_width import cut_text, plain_line, text_width

#: No column is cut to less, so that it still says something.
_LEAST_WIDTH = 6

_GAP = '  '


class Column(NamedTuple):
    title: str
    right: bool = False
    #: May be cut when the terminal is too narrow.
    flexible: bool = False


class Painted(NamedTuple):
    """A text, and what is put on it after everything has been measured."""

    text: str
    paint: Paint


Cell = Union[str, Painted]


def table(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], style: Style) -> List[str]:
    """As wide as the terminal at most."""
    texts = [[plain_line(_text_of(cell)) for cell in row] for row in rows]
    natural = [
        max([text_width(column.title), *(text_width(row[i]) for row in texts)]) for i, column in enumerate(columns)
    ]
    widths = _fit(natural, columns, style.columns)
    mark = '…' if style.unicode else '~'

    def line(row: Sequence[str], paints: Sequence[Paint]) -> str:
        places = [
            _place(cut_text(text, width, mark), width, column, paint)
            for text, width, column, paint in zip(row, widths, columns, paints)
        ]
        return _GAP.join(places).rstrip()

    head = line([column.title.upper() for column in columns], [style.painter('dim')] * len(columns))
    return [head, *(line(text, [_paint_of(cell) for cell in row]) for text, row in zip(texts, rows))]


def _text_of(cell: Cell) -> str:
    return cell if isinstance(cell, str) else cell.text


def _paint_of(cell: Cell) -> Paint:
    return str if isinstance(cell, str) else cell.paint


def _fit(natural: Sequence[int], columns: Sequence[Column], available: float) -> List[int]:
    """Takes from the widest of the flexible columns until all fit, or nothing is left to take."""
    widths = list(natural)
    over = sum(widths) + len(_GAP) * (len(widths) - 1) - available
    while over > 0:
        flexible = [i for i, column in enumerate(columns) if column.flexible and widths[i] > _LEAST_WIDTH]
        if not flexible:
            break
        widths[max(flexible, key=lambda i: widths[i])] -= 1
        over -= 1
    return widths


def _place(text: str, width: int, column: Column, paint: Paint) -> str:
    space = ' ' * max(0, width - text_width(text))
    return space + paint(text) if column.right else paint(text) + space
