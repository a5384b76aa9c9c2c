"""An error as it is told to the server: its class, its text, and the traceback with the user's own files and lines."""

from __future__ import annotations

import traceback
from types import TracebackType
from typing import Dict, Optional, Sequence

from ._errors import told_alone
from ._source import SCRIPT_MODULE

#: As long as the server takes them (`remoteError` in `src/contract/jobs.ts`), in UTF-16 units.
_MAX_TYPE, _MAX_MESSAGE, _MAX_STACK = 200, 10_000, 100_000


def report_error(error: BaseException, *, skip_files: Sequence[str] = (), folder: str = '') -> Dict[str, str]:
    """`skip_files` are files whose frames the traceback shall not begin with; paths are shown relative to `folder`."""
    kind = type(error)
    module = '' if kind.__module__ in ('builtins', '__main__', SCRIPT_MODULE) else f'{kind.__module__}.'
    first = _first_frame(error.__traceback__, skip_files)
    with told_alone():
        stack, message = ''.join(traceback.format_exception(kind, error, first)), _message_of(error)
    if folder:
        stack = stack.replace(f'{folder}/', '')
    return {
        'type': _sendable(f'{module}{kind.__qualname__}')[:_MAX_TYPE],
        'message': _cut(_sendable(message), _MAX_MESSAGE),
        'stack': _sendable(stack)[-_MAX_STACK // 2 :],
    }


def _first_frame(tb: Optional[TracebackType], skip_files: Sequence[str]) -> Optional[TracebackType]:
    while tb is not None:
        file = tb.tb_frame.f_code.co_filename
        if file not in skip_files and not file.startswith('<frozen importlib'):
            break
        tb = tb.tb_next
    return tb


def _message_of(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f'it left with exit code {error.code}'
    try:
        return str(error)
    except Exception as other:
        return f'(its text cannot be had: {type(other).__name__})'


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length // 2 else f'{text[: length // 2]} …'


def _sendable(text: str) -> str:
    """UTF-8 has no lone surrogates, and PostgreSQL's text no NUL."""
    return text.encode('utf-8', 'replace').decode('utf-8').replace('\0', '\\0')
