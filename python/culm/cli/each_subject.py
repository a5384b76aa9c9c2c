"""One thing done to each of what a command line names."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Mapping, Sequence

from .._client import Client
from .._errors import CulmError
from .cli import Cli
from .errors import report_error
from .ids import Subject, subject_of


def each_subject(
    cli: Cli,
    texts: Sequence[str],
    verb: str,
    act: Callable[[Client, Subject], Mapping[str, Any]],
    sentence: Callable[[Mapping[str, Any], Client, Subject], str],
) -> int:
    """Says what came of each. One to which it cannot be done must not keep it from the others."""
    subjects = [subject_of(text) for text in texts]
    client = cli.client()
    everything: List[Dict[str, Any]] = []
    code = 0
    for subject in subjects:
        try:
            done = {'id': subject.id, **act(client, subject)}
            everything.append(done)
            if not cli.json:
                cli.print(sentence(done, client, subject))
        except CulmError as error:
            code = report_error(cli, error, verb)
    if cli.json:
        cli.print_json(everything)
    return code
