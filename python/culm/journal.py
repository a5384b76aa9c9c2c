"""Time, chance and facts from outside, such that a program that is continued meets them again.

A workflow function (or a script, or a work that calls works) whose process died is run again from its beginning, and
its calls give what they gave. For that it has to make the same calls again; so what else decides about its way comes
from here:

    from culm import journal

    began = journal.now()
    if journal.random() < 0.1: ...
    temperature = journal.once(read_thermometer)
    journal.sleep(3600)

Each belongs to the scope it is used in: the workflow function, the session of the program, or the job. In coroutines
`await journal.sleep_async(…)` and `await journal.once_async(…)` do not block the event loop.
"""

from __future__ import annotations

import builtins
import datetime
import inspect
import os
import random as _random
import threading
import time
import uuid as _uuid
import weakref
from typing import Any, Awaitable, Callable, TypeVar, Union, cast

from ._errors import CulmError
from ._replay import Asked
from ._report import report_error
from ._scope import Scope
from ._values import decode, encode
from ._work import calling, calling_async

T = TypeVar('T')

__all__ = ['now', 'once', 'once_async', 'random', 'sleep', 'sleep_async', 'uuid']


def once(fn: Callable[[], T]) -> T:
    """Calls a function here, once: its value is recorded, and a program that is continued gets it without the call.

    The value is plain data, as text at most 1 MB; what is larger or takes long belongs into a work. If it raises an
    error, that is recorded and raised again too: a built-in one as such, others as CulmError with the code
    `once_failed`. When the process dies between the call and the record, it is called once more.
    """
    scope = calling()
    return cast(T, _value_of(scope.told(scope.record(_name_of(fn), lambda: _outcome_of(fn)))))


async def once_async(fn: Callable[[], Union[T, Awaitable[T]]]) -> T:
    """`once` for a coroutine function, or, in a thread, for any other."""
    import asyncio

    scope = await calling_async()
    asked = scope.ask_record(_name_of(fn))
    await scope.journal.await_go_async(asked)
    if asked.entry is None:
        text = await _outcome_of_async(fn) if inspect.iscoroutinefunction(fn) else None
        asked = await asyncio.to_thread(scope.keep, asked, lambda: _outcome_of(fn) if text is None else text)
    return cast(T, _value_of(await scope.told_async(asked)))


def now() -> datetime.datetime:
    """The time, UTC. A program that is continued gets the time at which it first asked."""
    scope = calling()
    asked = scope.record('now', lambda: encode(datetime.datetime.now(datetime.timezone.utc)))
    return cast(datetime.datetime, decode(scope.told(asked)))


def random() -> float:
    """A number from 0 to 1 (without it), of a generator that a program which is continued finds again.

    Only its seed is recorded, so draws cost nothing; in threads their order is not. For other distributions and for
    other libraries it makes seeds: `random.Random(journal.random())`,
    `np.random.default_rng(int(journal.random() * 2**53))`.
    """
    generator = _generator()
    with _drawing:
        return generator.random()


def uuid() -> _uuid.UUID:
    """A random UUID, drawn from the same generator as `random`."""
    generator = _generator()
    with _drawing:
        return _uuid.UUID(int=generator.getrandbits(128), version=4)


def sleep(seconds: float) -> None:
    """Waits. Its end is recorded when it begins: a program that is continued sleeps only the rest."""
    scope = calling()
    asked = scope.record('sleep', lambda: _end_in(seconds))
    scope.told(asked, _end_of(asked))


async def sleep_async(seconds: float) -> None:
    """`sleep` for coroutines. In a race with calls, who won the first time wins again."""
    import asyncio

    scope = await calling_async()
    asked = scope.ask_record('sleep')
    await scope.journal.await_go_async(asked)
    if asked.entry is None:
        asked = await asyncio.to_thread(scope.keep, asked, lambda: _end_in(seconds))
    await scope.told_async(asked, _end_of(asked))


def _name_of(fn: Callable[..., Any]) -> str:
    """Its module and name; of a lambda its place."""
    inner = getattr(fn, 'func', fn)  # of functools.partial
    name = getattr(inner, '__qualname__', type(inner).__name__)
    code = getattr(inner, '__code__', None)
    if code and '<lambda>' in name:
        return f'once:{os.path.basename(code.co_filename)}#line{code.co_firstlineno}'
    return f'once:{getattr(inner, "__module__", "")}#{name}'[:160]


def _outcome_of(fn: Callable[[], Any]) -> str:
    try:
        value = fn()
    except Exception as error:
        return _told_error(error)
    return encode({'value': value}, 'the value of journal.once')


async def _outcome_of_async(fn: Callable[[], Any]) -> str:
    try:
        value = await fn()
    except Exception as error:
        return _told_error(error)
    return encode({'value': value}, 'the value of journal.once_async')


def _told_error(error: Exception) -> str:
    return encode({'error': report_error(error, skip_files=(__file__,))})


def _value_of(text: str) -> Any:
    outcome = decode(text)
    if 'error' not in outcome:
        return outcome['value']
    told = outcome['error']
    kind = getattr(builtins, told['type'], None)
    if isinstance(kind, type) and issubclass(kind, Exception):
        try:
            error = kind(told['message'])
        except TypeError:  # Some built-in errors have a layout of their own.
            pass
        else:
            raise error
    raise CulmError('once_failed', f'{told["type"]}: {told["message"]}', data={'error': told})


def _end_in(seconds: float) -> str:
    """The end of a sleep, ms since 1970."""
    return encode(round((time.time() + seconds) * 1000))


def _end_of(asked: Asked) -> float:
    return float(decode(asked.entry.value or '0')) / 1000 if asked.entry else 0.0


_generators: weakref.WeakKeyDictionary[Scope, _random.Random] = weakref.WeakKeyDictionary()
_drawing = threading.Lock()
_seeding = threading.Lock()


def _generator() -> _random.Random:
    scope = calling()
    with _seeding:
        if scope not in _generators:
            seed = decode(scope.told(scope.record('random', lambda: encode(_random.SystemRandom().getrandbits(53)))))
            _generators[scope] = _random.Random(seed)
        return _generators[scope]
