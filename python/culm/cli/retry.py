"""`culm retry ID…`"""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional

from .._client import Client
from .._errors import CulmError
from .cli import Cli
from .errors import report_error
from .ids import Subject, naming, subject_of
from .verb import Argument, Given, Option, Verb


def _act(cli: Cli, given: Given) -> int:
    subjects = [subject_of(text) for text in given.id]
    client = cli.client()
    done: List[Dict[str, Any]] = []
    code = 0
    for subject in subjects:
        try:
            retried = {'id': subject.id, **_retry(client, subject, given.why)}
            done.append(retried)
            if not cli.json:
                cli.print(_sentence_of(retried, _continuation(client, subject)))
        except CulmError as error:
            code = report_error(cli, error, 'retry')
    if cli.json:
        cli.print_json(done)
    return code


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
