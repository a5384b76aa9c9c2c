"""`culm pause|resume|finish ID…`, `culm priority PRIORITY ID…`"""

from __future__ import annotations

import re
from typing import Any, Callable, Dict, Mapping

from .._client import Client
from .cli import Cli
from .each_subject import each_subject
from .errors import UsageError
from .ids import Subject, naming, subject_of
from .verb import Argument, Given, Option, Verb

_MOST_PRIORITY = 8000
_WHY = Option('--why <text>', 'a reason, for those who look at it later')
_IDS = Argument('<id...>', 'w12 or t34')


def _steering(verb: str, description: str, says: Callable[[int], str], repeat: bool = False) -> Verb:
    """`says`: of so many jobs that wait."""
    return Verb(
        verb,
        description,
        lambda cli, given: _each_steered(cli, given, verb, {}, says, repeat),
        arguments=[_IDS],
        options=[_WHY],
    )


def _prioritise(cli: Cli, given: Given) -> int:
    priority = _priority_in(given.priority)
    return _each_steered(
        cli, given, 'priority', {'priority': priority}, lambda n: f'priority {priority}; {_waiting(n)}', True
    )


def _priority_in(text: str) -> int:
    if re.fullmatch(r'\d{1,4}', text, re.ASCII) and int(text) <= _MOST_PRIORITY:
        return int(text)
    raise UsageError(
        f'"{text}" is not a priority: that is a whole number from 0 to {_MOST_PRIORITY}', 'culm priority --help'
    )


def _each_steered(
    cli: Cli, given: Given, verb: str, body: Dict[str, Any], says: Callable[[int], str], repeat: bool
) -> int:
    for text in given.id:
        _must_be_steered(subject_of(text), verb)
    if given.why:
        body = {**body, 'why': given.why}

    def act(client: Client, subject: Subject) -> Mapping[str, Any]:
        with naming(subject.id):
            found: Mapping[str, Any] = client.post(f'{subject.path}/{verb}', body, repeat=repeat)
        return found

    return each_subject(
        cli, given.id, verb, act, lambda done, _client, _subject: f'{done["id"]}: {says(done["touches"]["jobs"]["total"])}'
    )


def _must_be_steered(subject: Subject, verb: str) -> None:
    if subject.noun == 'j':
        raise UsageError(
            f'{subject.id} is a job, and what can be asked for is a workflow or task', f'culm {verb} --help'
        )


def _jobs(n: int) -> str:
    return f'{n} {"job" if n == 1 else "jobs"}'


def _waiting(n: int) -> str:
    return f'{_jobs(n)} {"waits" if n == 1 else "wait"}'


PAUSE = _steering(
    'pause',
    'begin nothing more of workflows or tasks until they are resumed; what runs may end',
    lambda n: f'paused; {_waiting(n)} until it is resumed',
    repeat=True,
)
RESUME = _steering(
    'resume', 'let workflows or tasks go on that were paused', lambda n: f'goes on; {_waiting(n)} to begin'
)
FINISH = _steering(
    'finish',
    'cancel what has not begun of workflows or tasks, and let end what runs',
    lambda n: f'begins nothing more; {_jobs(n)} cancelled',
)
PRIORITY = Verb(
    'priority',
    'change the priority of workflows or tasks, for what of them waits',
    _prioritise,
    arguments=[Argument('<priority>', '0 to 8000, more is sooner; 1000 is usual'), _IDS],
    options=[_WHY],
)
