"""`culm cancel ID…`"""

from __future__ import annotations

import contextlib
from typing import Any, Mapping, Optional, Sequence

from .._client import Client
from .._errors import CulmError
from .cli import Cli
from .each_subject import each_subject
from .ids import Subject, naming
from .verb import Argument, Given, Option, Verb


def _act(cli: Cli, given: Given) -> int:
    return each_subject(
        cli,
        given.id,
        'cancel',
        lambda client, subject: _cancel(client, subject, given.why),
        lambda done, _client, _subject: _sentence_of(done),
    )


def _cancel(client: Client, subject: Subject, why: Optional[str]) -> Mapping[str, Any]:
    """How many jobs were `cancelled`, and how many `asked` to stop."""
    with naming(subject.id):
        found: Mapping[str, Any] = client.post(f'{subject.path}/cancel', {'why': why} if why else {}, repeat=True)
    return found


def cancel_all(client: Client, ids: Sequence[str]) -> None:
    """What an attached program had started, after Ctrl-C. One that ended in this moment needs no cancelling, and a
    server that is away cannot be told: it sees that the driver has fallen silent."""
    for id in ids:
        with contextlib.suppress(CulmError):
            _cancel(client, Subject('w', id), 'interrupted at the keyboard')


def _sentence_of(done: Mapping[str, Any]) -> str:
    cancelled, asked = done['cancelled'], done['asked']
    parts = [
        *([f'{_jobs(cancelled)} cancelled'] if cancelled else []),
        *([f'{_jobs(asked)} asked to stop: they end when their pilot confirms'] if asked else []),
    ]
    return f'{done["id"]}: {", ".join(parts) or "cancelled; nothing of it was under way"}'


def _jobs(n: int) -> str:
    return f'{n} {"job" if n == 1 else "jobs"}'


VERB = Verb(
    'cancel',
    'cancel workflows, tasks or jobs, with all that is under way of them',
    _act,
    arguments=[Argument('<id...>', 'w12, t34 or j56')],
    options=[Option('--why <text>', 'a reason, for those who look at it later')],
)
