"""What went wrong most, for `culm show` and `culm explain` of a task"""

from __future__ import annotations

from typing import List, Sequence

from .._client import Client
from .ids import Subject, naming
from .look.style import Style
from .look.text_width import cut_text, plain_line
from .pages import Row

#: So many kinds are shown.
_MOST_KINDS = 3


def troubles_of(client: Client, subject: Subject) -> List[Row]:
    """Of a task, its failed attempts by kind, the most frequent first; workflows and jobs have none of their own."""
    if subject.noun != 't':
        return []
    with naming(subject.id):
        items: List[Row] = client.get(f'{subject.path}/troubles')['items']
    return items


def trouble_lines(items: Sequence[Row], indent: str, style: Style) -> List[str]:
    """`2 failed attempts (user), last j56: ValueError: bad cut`."""
    mark = '…' if style.unicode else '~'
    return [cut_text(f'{indent}{_line_of(item)}', style.columns, mark) for item in items[:_MOST_KINDS]]


def _line_of(item: Row) -> str:
    failed = '1 failed attempt' if item['attempts'] == 1 else f'{item["attempts"]} failed attempts'
    return f'{failed} ({item["cause"]}), last {item["jobId"]}: {plain_line(item["text"])}'
