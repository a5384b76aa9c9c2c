"""Sizes, durations and the like, as people write them. What cannot be read raises ValueError with how it is written."""

from __future__ import annotations

import math
import re
from typing import Callable, Dict, Tuple

_BYTES = {
    **{'k': 1e3, 'm': 1e6, 'g': 1e9, 't': 1e12},
    **{'ki': 2.0**10, 'mi': 2.0**20, 'gi': 2.0**30, 'ti': 2.0**40},
}
_SECONDS = {'d': 86_400, 'h': 3600, 'm': 60, 's': 1}


def memory_mb(text: str) -> int:
    """`2GB`, `512 MB`, `1.5GiB` in MB (10^6 bytes), rounded up; a plain number is in MB."""
    found = re.fullmatch(r'(\d+(?:\.\d+)?)\s*([kmgt]i?b?)?', text.strip(), re.IGNORECASE | re.ASCII)
    unit = re.sub('b$', '', (found and found[2] or 'mb').lower())
    if not found or unit not in _BYTES:
        raise ValueError('Write it as 2GB, 512MB or 1.5GiB.')
    return _at_least_one(float(found[1]) * _BYTES[unit] / 1e6, 'at least 1 MB')


def seconds(text: str) -> int:
    """`90s`, `10m`, `2h`, `1h30m`, `1d` in seconds; so is a plain number."""
    compact = re.sub(r'\s+', '', text)
    if re.fullmatch(r'\d+', compact, re.ASCII):
        return _at_least_one(float(compact), 'at least 1 s')
    if not re.fullmatch(r'(\d+(\.\d+)?[dhms])+', compact, re.IGNORECASE | re.ASCII):
        raise ValueError('Write it as 90s, 10m, 2h or 1h30m.')
    parts = re.findall(r'(\d+(?:\.\d+)?)([dhms])', compact, re.IGNORECASE)
    return _at_least_one(sum(float(number) * _SECONDS[unit.lower()] for number, unit in parts), 'at least 1 s')


def _at_least_one(n: float, what: str) -> int:
    """The rounding first takes off what binary fractions add: 1.1 GB are 1100 MB, not 1101."""
    whole = math.ceil(round(n, 6))
    if whole < 1:
        raise ValueError(f'It must be {what}.')
    return whole


def whole(least: int) -> Callable[[str], int]:
    """A whole number from `least` on."""

    def read(text: str) -> int:
        if not re.fullmatch(r'\d{1,9}', text, re.ASCII) or int(text) < least:
            raise ValueError(f'It must be a whole number from {least} on.')
        return int(text)

    return read


def attempts(text: str) -> Dict[str, int]:
    """`3`: so many by the user's own errors; `user=3,lost=9`: by cause."""
    if re.fullmatch(r'\d+', text, re.ASCII):
        return {'user': whole(1)(text)}
    causes = 'user|memory|walltime|runner|site|lost'
    parts = [re.fullmatch(rf'({causes})=(\d+)', part, re.ASCII) for part in text.split(',')]
    if not all(parts):
        raise ValueError('Write it as 3, or as user=3,site=5,lost=9.')
    return {part[1]: whole(1)(part[2]) for part in parts if part}


def label(text: str) -> Tuple[str, str]:
    """`name=value`."""
    name, equals, value = text.partition('=')
    if not name or not equals:
        raise ValueError('Write it as name=value.')
    return name, value


def secret(text: str) -> Dict[str, str]:
    """`NAME=VAR`: a secret that jobs get as a variable."""
    found = re.fullmatch(r'([^=]+)=([A-Za-z_]\w*)', text, re.ASCII)
    if not found:
        raise ValueError('Write it as name-of-the-secret=VARIABLE.')
    return {'name': found[1], 'env': found[2]}


def secret_file(text: str) -> Dict[str, str]:
    """`NAME=FILE` or `NAME=FILE:VAR`: one that they get as a file."""
    found = re.fullmatch(r'([^=]+)=([^:/]+)(?::([A-Za-z_]\w*))?', text, re.ASCII)
    if not found:
        raise ValueError('Write it as name-of-the-secret=file or name=file:VARIABLE.')
    return {'name': found[1], 'file': found[2], **({'env': found[3]} if found[3] else {})}
