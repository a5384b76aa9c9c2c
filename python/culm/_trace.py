"""The trace that a call is made in, in the words of W3C and OpenTelemetry."""

from __future__ import annotations

import os
import re
import sys
from typing import Optional

_FORM = re.compile('00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}')


def current_trace() -> Optional[str]:
    """The `traceparent` of the program's active OpenTelemetry span, else what `TRACEPARENT` says, which a pilot sets for its payloads; None outside any trace.

    A program with an active span has imported OpenTelemetry, so it is looked for and never imported: who does not trace pays nothing.
    """
    return _checked(_active_span()) or _checked(os.environ.get('TRACEPARENT'))


def _active_span() -> Optional[str]:
    trace = sys.modules.get('opentelemetry.trace')
    if trace is None:
        return None
    try:
        context = trace.get_current_span().get_span_context()
        return f'00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}'
    except Exception:  # another version, or something half imported: no reason to fail a call
        return None


def _checked(text: Optional[str]) -> Optional[str]:
    return text if text and _FORM.fullmatch(text) else None
