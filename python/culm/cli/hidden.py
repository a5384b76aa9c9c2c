"""What is not to be seen: it comes on standard input, to its end, or a person types it in and it is not shown."""

from __future__ import annotations

import getpass
import sys


def read_hidden(prompt: str) -> bytes:
    if sys.stdin.isatty():
        return getpass.getpass(prompt).encode('utf-8', 'surrogateescape')
    return _without_line_break(sys.stdin.buffer.read())


def _without_line_break(content: bytes) -> bytes:
    """`echo` and editors end a line; of a secret that is one line, the line break is no part."""
    if content.find(b'\n') != len(content) - 1:
        return content
    return content[:-2] if content.endswith(b'\r\n') else content[:-1]
