"""`culm retry ID…`"""

from __future__ import annotations

from typing import Any, Mapping, Optional

from .._client import Client
from .cli import Cli
from .each_subject import each_subject
from .ids import Subject, naming
from .verb import Argument, Given, Option, Verb


def _act(cli: Cli, given: Given) -> int:
    return each_subject(
        cli,
        given.id,
        'retry',
        lambda client, subject: _retry(client, subject, given.why),
        lambda done, client, subject: _sentence_of(done, _continuation(client, subject)),
    )


def _retry(client: Client, subject: Subject, why: Optional[str]) -> Mapping[str, Any]:
    """How many jobs are `retried`."""
    with naming(subject.id):
        found: Mapping[str, Any] = client.post(f'{subject.path}/retry', {'why': why} if why else {}, repeat=True)
    return found


def _continuation(client: Client, subject: Subject) -> Optional[str]:
    """The command by which the program of a workflow goes on; None when it needs none."""
    if subject.noun != 'w':
        return None
    told = client.get(f'{subject.path}/explain')
    command: Optional[str] = told['remedy']
    return command if told['state'] == 'paused' else None


def _sentence_of(done: Mapping[str, Any], command: Optional[str]) -> str:
    retried = done['retried']
    begun = f'{done["id"]}: {retried} {"job runs" if retried == 1 else "jobs run"} again'
    return f'{begun}; its program goes on with: {command}' if command else begun


VERB = Verb(
    'retry',
    'run again what failed or was cancelled of workflows, tasks or jobs, and what was cancelled for it',
    _act,
    arguments=[Argument('<id...>', 'w12, t34 or j56')],
    options=[Option('--why <text>', 'a reason, for those who look at it later')],
)
