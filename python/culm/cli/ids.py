"""Ids that a person typed."""

from __future__ import annotations

import contextlib
import re
from typing import Iterator, NamedTuple

from .._client import path_of
from .._errors import CulmError

_HELP = 'Ids bear their noun: w12 is a workflow, t34 a task, j56 a job, p7 a pilot.'


class Subject(NamedTuple):
    """`noun` is w, t or j."""

    noun: str
    id: str

    @property
    def path(self) -> str:
        return path_of({'w': 'workflows', 't': 'tasks', 'j': 'jobs'}[self.noun], self.id)


def subject_of(text: str) -> Subject:
    """Raises CulmError `invalid_id` for what is not the id of a workflow, task or job."""
    if not is_id(text, 'wtj'):
        raise CulmError('invalid_id', f'"{text}" is not the id of a workflow, task or job', _HELP)
    return Subject(text[0], text)


def is_id(text: str, nouns: str) -> bool:
    return re.fullmatch(rf'[{nouns}][1-9]\d{{0,14}}', text, re.ASCII) is not None


@contextlib.contextmanager
def naming(id: str) -> Iterator[None]:
    """What the server says of an id that it does not know, with the id."""
    try:
        yield
    except CulmError as error:
        if error.code in ('workflow_unknown', 'task_unknown', 'job_unknown'):
            named = CulmError(error.code, f'there is no {id}', error.help, error.data)
            named.problem = error.problem
            raise named from None
        raise
