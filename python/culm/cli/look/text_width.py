"""How many columns of a terminal a text takes: one for each character as people see it, two for CJK and emoji."""

from __future__ import annotations

import re
import unicodedata
from typing import Iterator

#: Joins two characters to one.
_JOINER = '\u200d'


def text_width(text: str) -> int:
    return len(text) if text.isascii() and text.isprintable() else sum(map(_width_of, _characters(text)))


def cut_text(text: str, width: float, mark: str = '…') -> str:
    """The text, or as much of its beginning as leaves room for a mark of what is missing."""
    if text_width(text) <= width:
        return text
    room = width - text_width(mark)
    if room < 0:
        return ''
    kept, used = '', 0
    for character in _characters(text):
        used += _width_of(character)
        if used > room:
            break
        kept += character
    return kept + mark


def plain_line(text: str) -> str:
    """One line of what may hold anything: control characters would move the cursor, or worse."""
    return re.sub('[\x00-\x1f\x7f-\x9f]+', ' ', text)


def plain_text(text: str) -> str:
    """As `plain_line`, of text that has several lines."""
    return re.sub('[\x00-\x08\x0b-\x1f\x7f-\x9f]+', ' ', text)


def _characters(text: str) -> Iterator[str]:
    """As people see them: with the marks above and below them, and what is joined to them."""
    character = ''
    for point in text:
        if character and not _continues(character, point):
            yield character
            character = ''
        character += point
    if character:
        yield character


def _continues(character: str, point: str) -> bool:
    is_mark = unicodedata.category(point) in ('Mn', 'Me', 'Mc')
    is_tone = '\U0001f3fb' <= point <= '\U0001f3ff'
    return is_mark or is_tone or point == _JOINER or character.endswith(_JOINER)


def _width_of(character: str) -> int:
    return 2 if unicodedata.east_asian_width(character[0]) in ('W', 'F') else 1
