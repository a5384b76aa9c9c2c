"""The trace of a program goes with its calls."""

import os
import sys
import types
import unittest
from unittest import mock

from culm._trace import current_trace

PARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'


def opentelemetry(trace_id: int, span_id: int, flags: int) -> types.ModuleType:
    """What the package looks like to who only reads the active span."""
    context = types.SimpleNamespace(trace_id=trace_id, span_id=span_id, trace_flags=flags)
    module = types.ModuleType('opentelemetry.trace')
    module.get_current_span = lambda: types.SimpleNamespace(get_span_context=lambda: context)  # type: ignore[attr-defined]
    return module


class TraceTest(unittest.TestCase):
    def test_outside_any_trace_there_is_none(self) -> None:
        with mock.patch.dict(os.environ):
            os.environ.pop('TRACEPARENT', None)
            self.assertIsNone(current_trace())

    def test_a_payload_is_in_the_trace_that_its_environment_names(self) -> None:
        with mock.patch.dict(os.environ, TRACEPARENT=PARENT):
            self.assertEqual(current_trace(), PARENT)

    def test_the_active_span_comes_before_the_environment(self) -> None:
        with mock.patch.dict(os.environ, TRACEPARENT=PARENT), mock.patch.dict(
            sys.modules, {'opentelemetry.trace': opentelemetry(0xABC, 0xDEF, 1)}
        ):
            self.assertEqual(current_trace(), f'00-{0xABC:032x}-{0xDEF:016x}-01')

    def test_what_is_no_trace_is_taken_as_none(self) -> None:
        invalid_span = opentelemetry(0, 0, 0)
        for broken in ('', 'nonsense', PARENT.replace('00-', 'ff-', 1), PARENT[:-1]):
            with mock.patch.dict(os.environ, TRACEPARENT=broken), mock.patch.dict(
                sys.modules, {'opentelemetry.trace': invalid_span}
            ):
                self.assertIsNone(current_trace(), broken)


if __name__ == '__main__':
    unittest.main()
