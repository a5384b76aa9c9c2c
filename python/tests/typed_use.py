"""What a user writes, as a type checker sees it: `test_types.py` has mypy read this. It is never run.

Lines that end in `type: ignore[…]` have to be errors of that kind: an ignored error that is none is one.
"""

from __future__ import annotations

import asyncio
import datetime
from typing import Any, List, Tuple

from typing_extensions import assert_type

from culm import Call, Client, MapCall, Outcome, RemoteError, Work, WorkflowFunction, journal, session, work, workflow


@work
def size(text: str, scale: float = 1.0) -> float:
    return len(text) * scale


@work(cores=2, memory_mb=500, gpus=1, attempts={'user': 2}, labels={'campaign': 'mc26'}, files=['*.csv'])
def pair(a: int, b: str) -> Tuple[int, str]:
    return a, b


@workflow
def study(names: List[str]) -> float:
    return sum(size.map(names))


@workflow(name='other', labels={'of': 'mine'})
def other() -> None: ...


def calls() -> None:
    assert_type(size('a'), float)
    assert_type(size('a', scale=2), float)
    assert_type(pair(1, 'x'), Tuple[int, str])
    assert_type(size.local('a'), float)
    size(1)  # type: ignore[arg-type]
    size()  # type: ignore[call-arg]
    size('a', colour=2)  # type: ignore[call-arg]
    text: str = size('a')  # type: ignore[assignment]


def handles() -> None:
    call = size.submit('a')
    assert_type(call, Call[float])
    assert_type(call.result(timeout=3), float)
    assert_type(call.outcome(), Outcome)
    assert_type(call.outcome().error, 'RemoteError | None')
    assert_type(call.done(), bool)
    assert_type(call.job_id, str)
    size.submit(1)  # type: ignore[arg-type]


def maps() -> None:
    found = pair.map([1, 2], ['a', 'b'])
    assert_type(found, MapCall[Tuple[int, str]])
    assert_type(found.result(), List[Tuple[int, str]])
    assert_type(found[0], Tuple[int, str])
    assert_type(found[1:], List[Tuple[int, str]])
    assert_type(list(found), List[Tuple[int, str]])
    assert_type(pair.starmap([(1, 'a')]), MapCall[Tuple[int, str]])
    for index, value in found.as_completed():
        assert_type(index, int)
        assert_type(value, Tuple[int, str])
    for outcome in found.as_settled():
        assert_type(outcome.ok, bool)
    wrong: List[str] = found.result()  # type: ignore[assignment]
    size.map(3)  # type: ignore[arg-type]


async def coroutines() -> None:
    assert_type(await size.aio('a'), float)
    assert_type(await size.submit('a'), float)
    assert_type(await size.map(['a']), List[float])
    both = await asyncio.gather(size.aio('a'), pair.aio(1, 'x'))
    assert_type(both, Tuple[float, Tuple[int, str]])
    await size.aio(1)  # type: ignore[arg-type]
    await journal.sleep_async(3)


def workflows() -> None:
    assert_type(study(['a']), float)
    assert_type(other.local(), None)
    study('a', 2)  # type: ignore[call-arg, arg-type]
    with session('mine') as id:
        assert_type(id, str)
    assert_type(journal.now(), datetime.datetime)
    assert_type(journal.once(lambda: 3), int)


def options() -> None:
    first = size.submit('a')
    later = size.with_options(queue='grid', after=[first], memory_mb=2000)
    assert_type(later('a'), float)
    work(core=3)  # type: ignore[call-overload]
    work(cores='3')  # type: ignore[call-overload]

    def takes(marked: Work[..., float], function: WorkflowFunction[..., float]) -> None: ...

    takes(size, study)
    takes(pair, study)  # type: ignore[arg-type]


def client() -> None:
    with Client('https://culm.example.org', 'token', retry_seconds=3) as there:
        found: Any = there.get('/v1/workflows', {'limit': 5})
        there.post('/v1/workflows', found, key='k')
        there.get('/v1/me', retry_seconds='3')  # type: ignore[arg-type]
    Client(token=3)  # type: ignore[arg-type]
    try:
        size('a')
    except RemoteError as error:
        assert_type(error.job_id, str)
        assert_type(error.code, str)
