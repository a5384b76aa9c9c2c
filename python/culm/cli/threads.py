"""Work beside the main thread, which hears interruptions and so must never be stuck."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import Callable, TypeVar

T = TypeVar('T')


def in_thread(call: Callable[[], T], name: str) -> Future[T]:
    """Its value or error, later. The end of the program does not wait for it."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name=name, daemon=True).start()
    return future
