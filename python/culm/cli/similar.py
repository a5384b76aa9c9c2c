"""Guesses what a mistyped word was to be."""

from __future__ import annotations

from typing import Iterable, List

#: So many edits make another word.
_MOST_EDITS = 3

#: A guess has to share more than this part of its letters.
_LEAST_LIKENESS = 0.4


def similar(word: str, candidates: Iterable[str]) -> str:
    """` (Did you mean ls?)`, or nothing."""
    dashes = '--' if word.startswith('--') else ''
    bare = word[len(dashes) :]
    names = sorted({candidate[len(dashes) :] for candidate in candidates})
    near = [(_edits(bare, name), name) for name in names if len(name) > 1 and _is_like(bare, name)]
    fewest = min((edits for edits, _ in near), default=_MOST_EDITS + 1)
    best = [f'{dashes}{name}' for edits, name in near if edits == fewest]
    if not best or fewest > _MOST_EDITS:
        return ''
    return f' (Did you mean {best[0]}?)' if len(best) == 1 else f' (Did you mean one of {", ".join(best)}?)'


def _is_like(word: str, name: str) -> bool:
    length = max(len(word), len(name))
    return (length - _edits(word, name)) / length > _LEAST_LIKENESS


def _edits(a: str, b: str) -> int:
    """How many letters to insert, remove, replace or swap with their neighbour (optimal string alignment)."""
    before: List[int] = []
    row = list(range(len(b) + 1))
    for i, letter in enumerate(a, 1):
        before_last, before, row = before, row, [i]
        for j, other in enumerate(b, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != other))
            if i > 1 and j > 1 and letter == b[j - 2] and a[i - 2] == other:
                cost = min(cost, before_last[j - 2] + 1)
            row.append(cost)
    return row[-1]
