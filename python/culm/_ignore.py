"""What bundles leave out: files `.culmignore` in the syntax of `.gitignore` (gitignore(5)); one in each folder, maybe."""

from __future__ import annotations

import os
import re
from typing import Dict, List, NamedTuple, Optional, Pattern, Sequence, Tuple

IGNORE_FILE = '.culmignore'


class _Rule(NamedTuple):
    """One line of an ignore file."""

    line: int
    takes_back: bool
    only_folders: bool
    pattern: Pattern[str]


class IgnoreFiles:
    """The ignore files of a folder and of those below it."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._rules: Dict[str, List[_Rule]] = {}

    def line_for(self, path: str, is_folder: bool = False) -> Optional[str]:
        """The line that leaves out `path`, which is relative to the root: itself, or a folder that it is in."""
        parts = path.split('/')
        for n in range(1, len(parts) + 1):
            found = self._decisive(parts[:n], is_folder or n < len(parts))
            if found:
                return found
        return None

    def _decisive(self, parts: Sequence[str], is_folder: bool) -> Optional[str]:
        """The nearest file that has a word on it decides, and in it the last such line."""
        for depth in reversed(range(len(parts))):
            folder, below = '/'.join(parts[:depth]), '/'.join(parts[depth:])
            for rule in reversed(self._rules_in(folder)):
                if (is_folder or not rule.only_folders) and rule.pattern.search(below):
                    file = f'{folder}/{IGNORE_FILE}' if folder else IGNORE_FILE
                    return None if rule.takes_back else f'{file}, line {rule.line}'
        return None

    def _rules_in(self, folder: str) -> List[_Rule]:
        if folder not in self._rules:
            self._rules[folder] = _read_rules(os.path.join(self._root, folder, IGNORE_FILE))
        return self._rules[folder]


def _read_rules(file: str) -> List[_Rule]:
    try:
        with open(file, encoding='utf-8-sig', errors='surrogateescape', newline='') as lines:
            text = lines.read()
    except OSError:
        return []
    rules = (_rule(number, line) for number, line in enumerate(text.split('\n'), 1))
    return [rule for rule in rules if rule]


def _rule(number: int, line: str) -> Optional[_Rule]:
    if line.endswith('\r'):
        line = line[:-1]
    if line.startswith('#'):
        return None
    takes_back = line.startswith('!')
    path = _without_ending_blanks(line)[takes_back:]
    only_folders = path.endswith('/')
    path = path[:-1] if only_folders else path
    if not path:
        return None
    if '/' in path:
        body, start = _translated(path[1:] if path.startswith('/') else path, deep=True), '^'
    else:
        body, start = _translated(path, deep=False), '(?:^|/)'
    if body is None:
        return None
    return _Rule(number, takes_back, only_folders, re.compile(f'{start}{body}\\Z', re.DOTALL))


def _without_ending_blanks(line: str) -> str:
    """Those before the end of the line; one after a backslash stays."""
    return re.sub(r'\A((?:\\.|[^\\])*?)\x20+\Z', r'\1', line, flags=re.DOTALL)


def _translated(glob: str, deep: bool) -> Optional[str]:
    """The regular expression of a pattern; None for one that git takes to match nothing.

    `deep`: two stars between slashes stand for any folders.
    """
    made = ''
    at = 0
    while at < len(glob):
        char = glob[at]
        if char == '*':
            end = at
            while glob[end : end + 1] == '*':
                end += 1
            spans_folders = deep and end - at > 1 and (at == 0 or glob[at - 1] == '/')
            if spans_folders and glob[end : end + 1] == '/':
                made += '(?:.*/)?'
                end += 1
            elif spans_folders and (end == len(glob) or glob[end : end + 2] == '\\/'):
                made += '.*'
            else:
                made += '[^/]*'
            at = end
        elif char == '?':
            made += '[^/]'
            at += 1
        elif char == '[':
            found = _set(glob, at)
            if found is None:
                return None
            body, at = found
            made += body
        else:
            if char == '\\':
                at += 1
                if at == len(glob):
                    return None
            made += re.escape(glob[at])
            at += 1
    return made


_CLASSES = {
    'alnum': 'A-Za-z0-9',
    'alpha': 'A-Za-z',
    'blank': ' \\t',
    'cntrl': '\\x00-\\x1f\\x7f',
    'digit': '0-9',
    'graph': '\\x21-\\x7e',
    'lower': 'a-z',
    'print': '\\x20-\\x7e',
    'punct': '\\x21-\\x2f\\x3a-\\x40\\x5b-\\x60\\x7b-\\x7e',
    'space': '\\s',
    'upper': 'A-Z',
    'xdigit': 'A-Fa-f0-9',
}
_NAMED = re.compile(r'\[:([^\]]*):\]')


def _set(glob: str, start: int) -> Optional[Tuple[str, int]]:
    """`[a-z]`, `[!a]`, `[[:digit:]]`, and where it ends. A bracket right behind the first is one of the set.

    It never matches a slash. None when it has no end, or a class that is not known.
    """
    negated = glob[start + 1 : start + 2] in ('!', '^')
    first = at = start + 1 + negated
    members = ''
    before = ''  # What a range may begin with.
    while at < len(glob):
        char = glob[at]
        if char == ']' and at > first:
            return _one_of(members, negated), at + 1
        named = _NAMED.match(glob, at)
        if named:
            if named.group(1) not in _CLASSES:
                return None
            members += _CLASSES[named.group(1)]
            before = ''
            at = named.end()
        elif char == '-' and before and glob[at + 1 : at + 2] not in ('', ']'):
            at += 2 if glob[at + 1] == '\\' else 1
            last = glob[at : at + 1]
            if before <= last:
                members += f'{re.escape(before)}-{re.escape(last)}'
            before = ''
            at += 1
        else:
            at += 1 if char == '\\' else 0
            before = glob[at : at + 1]
            members += re.escape(before)
            at += 1
    return None


def _one_of(members: str, negated: bool) -> str:
    if members:
        return f'(?!/)[{"^" if negated else ""}{members}]'
    return '[^/]' if negated else '(?!)'
