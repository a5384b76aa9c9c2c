"""`culm watch ID`"""

from __future__ import annotations

from typing import Any, Callable, Dict, Optional, Tuple

from .._client import Client
from .cli import Cli
from .errors import FAILED, INTERRUPTED
from .ids import naming, subject_of
from .interrupts import listening
from .progress.follow import Following, Workflow
from .progress.live import open_live
from .threads import in_thread
from .verb import Argument, Given, Verb


def _act(cli: Cli, given: Given) -> int:
    client = cli.client()
    id = _workflow_of(client, given.id)
    workflow, code = watch(cli, client, id, cli.print_json if cli.json else None)
    if cli.json and code != INTERRUPTED:
        cli.print_json({'kind': 'workflow', 'data': workflow})
    return code


def watch(
    cli: Cli, client: Client, id: str, on_notice: Optional[Callable[[Dict[str, Any]], None]] = None
) -> Tuple[Workflow, int]:
    """Shows a workflow until it ends, or until Ctrl-C, and gives the exit code that says how that was."""
    live = open_live(cli)
    following = Following(client, id, live.show, on_notice)
    interrupted = False

    def leave() -> None:
        nonlocal interrupted
        interrupted = True
        following.leave()

    try:
        with listening(leave):
            workflow = in_thread(following.run, 'culm-follow').result()
    finally:
        live.end()
    if interrupted and not workflow['endedAt']:
        cli.note(f'{id} goes on; culm cancel {id} ends it')
        return workflow, INTERRUPTED
    if workflow['state'] != 'done':
        cli.note(f'culm explain {id} says why')
        return workflow, FAILED
    return workflow, 0


def _workflow_of(client: Client, text: str) -> str:
    subject = subject_of(text)
    with naming(subject.id):
        row = client.get(subject.path)
    id: str = row['id'] if subject.noun == 'w' else row['workflowId']
    return id


VERB = Verb(
    'watch',
    'follow a workflow until it ends',
    _act,
    arguments=[Argument('<id>', 'w12; of t34 or j56 it is the workflow that they belong to')],
    more="""
Exit code 0 when it is done, 1 when it ended otherwise. Ctrl-C ends the watching, not the workflow.
With --json each notice is one line, and the workflow as it ended is the last.
""",
)
