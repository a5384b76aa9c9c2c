"""`culm show ID`"""

from __future__ import annotations

import math
import re
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

from .._client import Client
from .cli import Cli
from .errors import UsageError
from .explain import Explanation, explain, reason_lines, remedy_lines
from .ids import Subject, naming, subject_of
from .look.states import state_cell, state_text, with_numbers
from .look.style import Style
from .look.table import Cell, Column, Painted, table
from .look.text_width import plain_text
from .look.times import ago, duration, local_time, parse_time, seconds_between
from .look.values import megabytes, number_text, show_arguments, show_sent
from .ls import table_of
from .pages import Query, Row, first_found, rows_of
from .troubles import trouble_lines, troubles_of
from .verb import Argument, Given, Option, Verb

#: So many moves and rows are shown; `culm ls` and `--json` have the rest.
_MOST_MOVES = 30
_MOST_ROWS = 20

#: As in `needs` of `src/contract/tasks.ts`.
_USUAL_PRIORITY = 1000
_USUAL_ATTEMPTS = {'user': 1, 'site': 3, 'lost': 5}

#: Lock files are long; `--json` has all of them.
_MOST_OF_SETTING = 200

#: Pages of history that are read; one page is 200 moves.
_MOST_PAGES = 10


class _Found(NamedTuple):
    """What was found of one thing: its row and parts for programs, its sections for people."""

    row: Row
    parts: Mapping[str, Any]
    history: List[Row]
    sections: List[List[str]]


def _act(cli: Cli, given: Given) -> int:
    client, subject, style = cli.client(), subject_of(given.id), cli.style()
    if given.metrics:
        return _show_metrics(cli, client, subject)
    if given.effective:
        return _show_effective(cli, client, subject)
    find = {'w': _find_workflow, 't': _find_task, 'j': _find_job}[subject.noun]
    found = find(client, subject, style)
    explanation = explain(client, subject)
    if cli.json:
        cli.print_json({**found.row, **found.parts, 'history': found.history, 'explanation': explanation})
    else:
        sections = [*found.sections, _history_lines(found.history, style), _next_lines(explanation, style)]
        cli.print('\n\n'.join('\n'.join(lines) for lines in sections if lines))
    return 0


def _show_metrics(cli: Cli, client: Client, subject: Subject) -> int:
    if subject.noun != 'j':
        what = f'only jobs tell metrics, and {subject.id} is none'
        raise UsageError(what, f'culm ls {subject.id} lists its jobs')
    items = [item for page in _metric_pages(client, subject) for item in page]
    if cli.json:
        cli.print_json(items)
    elif not items:
        cli.note(f'{subject.id} has told no metrics so far')
    else:
        cli.print('\n'.join(_metric_lines(items, cli.style())))
    return 0


def _show_effective(cli: Cli, client: Client, subject: Subject) -> int:
    with naming(subject.id):
        items = client.get(f'{subject.path}/settings')['items']
    if cli.json:
        cli.print_json(items)
        return 0
    columns = [Column('setting'), Column('value', flexible=True), Column('said by')]
    cli.print(*table(columns, [_setting_cells(item) for item in items], cli.style()))
    return 0


def _setting_cells(item: Row) -> List[Cell]:
    value, origin = item['value'], item['from']
    text = 'none' if value is None else str(value)[:_MOST_OF_SETTING]
    return [item['name'], text, f'{origin} {item["queue"]}' if 'queue' in item else origin]


def _metric_pages(client: Client, subject: Subject) -> Iterator[List[Row]]:
    """Until nothing follows: the server says how to ask for more also when there is none yet."""
    query: Dict[str, Union[str, int]] = {'limit': 1000}
    while True:
        with naming(subject.id):
            page = client.get(f'{subject.path}/metrics', query)
        if not page['items']:
            return
        yield page['items']
        query['after'] = page['next']


def _metric_lines(items: Sequence[Row], style: Style) -> List[str]:
    columns = [
        Column('metric', flexible=True),
        Column('step', right=True),
        Column('value'),
        Column('attempt', right=True),
        Column('at'),
    ]
    return table(columns, [_metric_cells(item, style) for item in items], style)


def _metric_cells(item: Row, style: Style) -> List[Cell]:
    value = item['value']
    return [
        item['name'],
        str(item['step']),
        value if isinstance(value, str) else number_text(value),
        str(item['attempt']),
        Painted(local_time(item['at']), style.painter('dim')),
    ]


def _find_workflow(client: Client, subject: Subject, style: Style) -> _Found:
    row = _row_of(client, subject)
    tasks = client.get('/v1/tasks', {'workflowId': subject.id, 'limit': _MOST_ROWS})
    rest = f'the last {_MOST_ROWS} tasks; all of them: culm ls {subject.id} -n 1000'
    sections = [
        _workflow_lines(row, style),
        table_of('tasks', tasks['items'], style) if tasks['items'] else [],
        [style.paint('dim', rest)] if tasks['next'] else [],
        _error_lines(row['error'], style),
    ]
    return _Found(row, {'taskRows': tasks['items']}, _moves_of(client, row['id'], subject.id), sections)


def _find_task(client: Client, subject: Subject, style: Style) -> _Found:
    row = _row_of(client, subject)
    troubles = troubles_of(client, subject)
    path = f'{subject.path}/jobs'
    wanted: Query = {'limit': _MOST_ROWS, 'state': 'failed'}
    failed = first_found(client, path, wanted) if row['counts'].get('failed') else []
    every = client.get(path, {'limit': _MOST_ROWS})
    # Of many jobs those that failed are what one looks for.
    jobs, which = (failed, 'failed jobs') if every['next'] and failed else (every['items'], 'jobs')
    total = row['counts']['total']
    rest = f'{len(jobs)} {which} of {total}; all of them: culm ls {subject.id} -n {total}'
    sections = [
        _task_lines(row, style),
        trouble_lines(troubles, '', style),
        table_of('jobs', jobs, style) if jobs else [],
        [style.paint('dim', rest)] if every['next'] else [],
    ]
    parts = {'jobRows': jobs, 'troubles': troubles}
    return _Found(row, parts, _moves_of(client, row['workflowId'], subject.id), sections)


def _find_job(client: Client, subject: Subject, style: Style) -> _Found:
    row = _row_of(client, subject)
    attempts = row['attempts']
    history = rows_of(client, f'{subject.path}/history', {'limit': 200}, _MOST_PAGES)
    error = row['error'] or (attempts[-1]['error'] if attempts else None)
    sections = [_job_lines(row, style), _attempt_lines(attempts, style), _error_lines(error, style)]
    return _Found(row, {}, history, sections)


def _row_of(client: Client, subject: Subject) -> Row:
    with naming(subject.id):
        row: Row = client.get(subject.path)
    return row


def _moves_of(client: Client, workflow_id: str, id: str) -> List[Row]:
    """Moves of one thing, out of those of its workflow."""
    moves = rows_of(client, f'/v1/workflows/{workflow_id}/history', {'limit': 200}, _MOST_PAGES)
    return [move for move in moves if move['id'] == id]


def _workflow_lines(row: Row, style: Style) -> List[str]:
    tasks = row['tasks']
    failed = f', {tasks["failed"]} failed' if tasks['failed'] > 0 else ''
    seen = row['driverSeenAt'] if not row['endedAt'] else None
    state = state_text('workflow', row['state'], style, with_numbers(row['state'], row['jobs']))
    fields = [
        ('kind', row['kind']),
        ('owner', f'{row["owner"]}, group {row["group"]}'),
        ('tasks', f'{tasks["ended"]} of {tasks["total"]} ended{failed}'),
        ('jobs', _counts_text(row['jobs'])),
        *_times(row, style),
        ('program', row['program'] or ''),
        ('run', row['run'] or ''),
        ('driver', f'seen {ago(seen, style.now)} ago' if seen else ''),
        ('labels', _labels_text(row['labels'])),
        ('why', row['why'] or ''),
        ('value', _value_text(row['value'], style)),
    ]
    return _headed(row['id'], row['name'], state, style, fields)


def _task_lines(row: Row, style: Style) -> List[str]:
    state = state_text('task', row['state'], style, with_numbers(row['state'], row['counts']))
    fields = [
        ('workflow', row['workflowId']),
        ('called by', row['parentJobId'] or ''),
        ('runs', _payload_text(row['payload'])),
        ('queue', row['queue'] or ''),
        ('needs', _needs_text(row)),
        ('owner', row['owner']),
        ('jobs', _counts_text(row['counts'])),
        ('retried', {0: '', 1: 'once'}.get(row['round'], f'{row["round"]} times')),
        *_times(row, style),
        ('labels', _labels_text(row['labels'])),
    ]
    return _headed(row['id'], row['name'], state, style, fields)


def _job_lines(row: Row, style: Style) -> List[str]:
    waits = [f'for {row["unmet"]} others'] * (row['unmet'] > 0) + [f'held by {row["heldBy"]}'] * bool(row['heldBy'])
    is_to_end = row['cancelAsked'] and row['state'] not in ('cancelled', 'finished', 'failed')
    fields = [
        ('task', f'{row["taskId"]} of {row["workflowId"]}'),
        ('owner', row['owner']),
        ('waits', ', '.join(waits)),
        ('progress', _progress_text(row['progress'], style) if row['progress'] else ''),
        ('checkpoint', _checkpoint_text(row['checkpoint'], style) if row['checkpoint'] else ''),
        ('cancel', 'asked for' if is_to_end else ''),
        ('arguments', show_arguments(row['args'], style)),
        ('value', _value_text(row['value'], style)),
        ('cause', row['cause'] or ''),
    ]
    state = state_text('job', row['state'], style)
    return _headed(row['id'], f'{row["name"]} [{row["index"]}]', state, style, fields)


def _progress_text(progress: Row, style: Style) -> str:
    """`3 of 10 (30%), fitting, 12s ago`."""
    done, total = progress['done'], progress['total']
    percent = f' ({math.floor(100 * done / total)}%)' if total else ''
    amount = number_text(done) if total is None else f'{number_text(done)} of {number_text(total)}{percent}'
    parts = [amount, plain_text(progress['text'] or ''), f'{ago(progress["at"], style.now)} ago']
    return ', '.join(part for part in parts if part)


def _checkpoint_text(kept: Row, style: Style) -> str:
    size = megabytes(kept['bytes'] / 1e6)
    return f'{size} of attempt {kept["attempt"]}, kept {ago(kept["at"], style.now)} ago'


def _headed(id: str, name: str, state: str, style: Style, fields: Sequence[Tuple[str, str]]) -> List[str]:
    """A title, and below it what is known, by name."""
    told = [(title, text) for title, text in fields if text]
    width = max(len(title) for title, _ in told)
    indent = ' ' * (width + 4)
    lines = [f'  {style.paint("dim", title.ljust(width))}  {text}'.replace('\n', f'\n{indent}') for title, text in told]
    return [f'{style.paint("bold", id)} {plain_text(name)}  {state}', *lines]


def _times(row: Row, style: Style) -> List[Tuple[str, str]]:
    created, ended = row['createdAt'], row['endedAt']
    took = f', after {duration(seconds_between(created, parse_time(ended)))}' if ended else ''
    return [
        ('created', f'{local_time(created)} ({ago(created, style.now)} ago)'),
        ('ended', f'{local_time(ended)}{took}' if ended else ''),
    ]


def _counts_text(counts: Mapping[str, int]) -> str:
    parts = [f'{n} {state}' for state, n in counts.items() if state != 'total']
    return f'{counts["total"]}: {", ".join(parts)}' if parts else str(counts['total'])


def _needs_text(task: Row) -> str:
    """In the words of `culm submit` and of works; what is as when nothing is asked for is left out."""
    parts = [
        f'cores {task["cores"]}',
        '' if task['memoryMb'] is None else f'memory {megabytes(task["memoryMb"])}',
        '' if task['gpus'] == 0 else f'gpus {task["gpus"]}',
        '' if task['wallSeconds'] is None else f'time {duration(task["wallSeconds"])}',
        '' if task['priority'] == _USUAL_PRIORITY else f'priority {task["priority"]}',
        *(f'attempts {cause}={n}' for cause, n in task['attempts'].items() if n != _USUAL_ATTEMPTS.get(cause)),
        '' if task['lostAfterSeconds'] is None else f'lost after {duration(task["lostAfterSeconds"])}',
    ]
    return ', '.join(part for part in parts if part)


def _value_text(value: Optional[Mapping[str, Any]], style: Style) -> str:
    """Commands have no value, and say so by null."""
    return '' if value is None or value.get('text') == 'null' else show_sent(value, style)


def _labels_text(labels: Mapping[str, str]) -> str:
    return ', '.join(f'{name}={value}' for name, value in labels.items())


def _payload_text(payload: Mapping[str, Any]) -> str:
    if payload['kind'] == 'command':
        folder = f'  (in {payload["folder"]})' if payload.get('folder') else ''
        return ' '.join(map(_shell_word, payload['command'])) + folder
    source = f'{payload["language"]}, bundle {payload["bundle"][:12]}'
    return f'{payload["export"]} of {payload["module"]} ({source})'


def _shell_word(word: str) -> str:
    is_plain = re.fullmatch(r'[\w@%+=:,./-]+', word, re.ASCII)
    return word if is_plain else "'{}'".format(word.replace("'", "'\\''"))


def _attempt_lines(attempts: Sequence[Row], style: Style) -> List[str]:
    if not attempts:
        return []
    titles = ('attempt', 'end', 'cause', 'exit', 'pilot', 'host', 'sent', 'ran', 'memory')
    columns = [Column(title, flexible=title == 'host') for title in titles]
    return table(columns, [_attempt_cells(attempt, style) for attempt in attempts], style)


def _attempt_cells(attempt: Row, style: Style) -> List[Cell]:
    usage = attempt['usage'] or {}
    seconds, memory = _seconds_of(attempt, style), usage.get('maxRssMb')
    return [
        str(attempt['attempt']),
        state_cell('attempt', attempt['end'], style) if attempt['end'] else state_cell('job', _under_way(attempt), style),
        attempt['cause'] or '',
        attempt['signal'] or ('' if attempt['exitCode'] is None else str(attempt['exitCode'])),
        attempt['pilotId'] or '',
        attempt['host'] or '',
        local_time(attempt['sentAt']),
        '' if seconds is None else duration(seconds),
        '' if memory is None else megabytes(memory),
    ]


def _under_way(attempt: Row) -> str:
    """One whose payload has ended waits for its value."""
    if attempt['endedAt']:
        return 'holding'
    return 'running' if attempt['startedAt'] else 'sent'


def _seconds_of(attempt: Row, style: Style) -> Optional[float]:
    """How long it ran, or has been running."""
    measured: Optional[float] = (attempt['usage'] or {}).get('wallSeconds')
    if measured is not None or not attempt['startedAt']:
        return measured
    return seconds_between(attempt['startedAt'], parse_time(attempt['endedAt']) if attempt['endedAt'] else style.now)


def _error_lines(error: Optional[Mapping[str, Any]], style: Style) -> List[str]:
    """The stack of the place where it was raised. Node's begin with the error itself, those of Python end with it."""
    if not error:
        return []
    stack, said = error.get('stack') or '', f'{error["type"]}: {error["message"]}'
    text = stack if error['message'] in stack else '\n'.join(part for part in (said, stack) if part)
    lines = plain_text(text).rstrip().split('\n')
    return [line if line.startswith(' ') else style.paint('red', line) for line in lines]


def _history_lines(moves: Sequence[Row], style: Style) -> List[str]:
    if not moves:
        return []
    columns = [Column('history'), Column('state'), Column('by', flexible=True)]
    return table(columns, [_move_cells(move, style) for move in moves[-_MOST_MOVES:]], style)


def _move_cells(move: Row, style: Style) -> List[Cell]:
    before, after, why = move['from'], move['to'], move['why']
    arrow = '→' if style.unicode else '->'
    return [
        Painted(local_time(move['at']), style.painter('dim')),
        f'{before} {arrow} {after}' if before and before != after else after,
        Painted(f'{move["trigger"]}: {why}' if why else move['trigger'], style.painter('dim')),
    ]


def _next_lines(explanation: Explanation, style: Style) -> List[str]:
    """For what went well the state says it all."""
    is_plain = explanation['cause'] == explanation['state']
    reasons = [] if is_plain else reason_lines(explanation, f'{style.paint("dim", "why:")} ', style)
    return [*reasons, *remedy_lines(explanation['remedy'], style)]


VERB = Verb(
    'show',
    'all there is to know of a workflow, task or job',
    _act,
    arguments=[Argument('<id>', 'w12, t34 or j56')],
    options=[
        Option('--metrics', 'of a job, what it has told by `report`, as a table'),
        Option(
            '--effective', 'every setting in force and who said it: its work, its workflow, a queue, or nobody'
        ),
    ],
)
