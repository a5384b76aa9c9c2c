"""`culm explain ID`"""

from __future__ import annotations

import re
from typing import Any, List, Mapping, Optional, Sequence

from .._client import Client
from .cli import Cli
from .ids import Subject, naming, subject_of
from .look.style import Style
from .look.text_width import plain_text
from .look.times import local_time
from .pages import Row
from .troubles import trouble_lines, troubles_of
from .verb import Argument, Given, Verb

#: Why something is as it is (`explanation` in `src/contract/jobs.ts`).
Explanation = Mapping[str, Any]


def _act(cli: Cli, given: Given) -> int:
    client, subject = cli.client(), subject_of(given.id)
    explanation = explain(client, subject)
    if cli.json:
        cli.print_json(explanation)
    else:
        cli.print(*_lines_of(explanation, troubles_of(client, subject), cli.style()))
    return 0


def explain(client: Client, subject: Subject) -> Explanation:
    with naming(subject.id):
        found: Explanation = client.get(f'{subject.path}/explain')
    return found


def _lines_of(explanation: Explanation, troubles: Sequence[Row], style: Style) -> List[str]:
    lead = f'{style.paint("bold", explanation["subject"])} is {explanation["state"]}: '
    return [
        *reason_lines(explanation, lead, style),
        *trouble_lines(troubles, '  ', style),
        *remedy_lines(explanation['remedy'], style),
    ]


def reason_lines(explanation: Explanation, lead: str, style: Style) -> List[str]:
    """Why it is so, and what shows it."""
    cause = explanation['cause']
    named = '' if cause == explanation['state'] else style.paint('dim', f' ({cause})')
    evidence = [f'  {_readable(line)}' for line in explanation['evidence']]
    return [f'{lead}{_readable(explanation["sentence"])}{named}', *evidence]


def remedy_lines(remedy: Optional[str], style: Style) -> List[str]:
    return [f'{style.paint("green", "try:")} {remedy}'] if remedy else []


def _readable(text: str) -> str:
    """Times are told on the clock of the reader."""
    time = r'\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z'
    return re.sub(time, lambda found: local_time(found[0]), plain_text(text))


VERB = Verb(
    'explain',
    'why a workflow, task or job is as it is, and what helps',
    _act,
    arguments=[Argument('<id>', 'w12, t34 or j56')],
)
