"""Works and workflow functions may be `async def`. asyncio is imported only then: it doubles the start of a runner."""

from __future__ import annotations

from types import CoroutineType
from typing import Any


def is_coroutine(value: Any) -> bool:
    return isinstance(value, CoroutineType)


def run_coroutine(coroutine: Any) -> Any:
    import asyncio

    return asyncio.run(coroutine)
