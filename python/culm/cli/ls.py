"""`culm ls`, `culm ls tasks`, `culm ls w12`, `culm ls tasks w12`"""

from __future__ import annotations

from typing import Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from .._client import Client
from .cli import Cli
from .errors import UsageError
from .ids import Subject, naming, subject_of
from .look.states import state_cell, states_of, with_numbers
from .look.style import Style
from .look.table import Cell, Column, table
from .look.times import ago
from .pages import Query, Row, pages_of
from .quantities import label, whole
from .verb import Argument, Given, Option, Verb

_KINDS = ('workflows', 'tasks', 'jobs', 'queues', 'pilots')

Pages = Iterator[Sequence[Row]]


class _Wanted(NamedTuple):
    kind: str
    pages: Callable[[Client, Given], Pages]
    #: The workflow or task whose they are.
    about: Optional[str] = None


def _act(cli: Cli, given: Given) -> int:
    wanted = _wanted_of(given.what, given.id)
    items, is_all = _up_to(given.limit, wanted.pages(cli.client(), given))
    if cli.json:
        cli.print_json(items)
    elif not items:
        cli.note('none' if given.state or given.label or wanted.about else f'no {wanted.kind} yet')
    else:
        cli.print(*table_of(wanted.kind, items, cli.style()))
        if not is_all:
            cli.note(f'the first {len(items)}; more with -n')
    return 0


def _wanted_of(what: str, id: Optional[str]) -> _Wanted:
    if what not in _KINDS:
        return _below(subject_of(what)) if id is None else _below(subject_of(id), what)
    if id is not None:
        return _below(subject_of(id), what)
    if what == 'jobs':
        raise UsageError('which jobs? Say whose they are', 'culm ls t34 lists the jobs of a task')
    return _Wanted(what, _EVERYWHERE[what])


def _below(subject: Subject, asked: Optional[str] = None) -> _Wanted:
    if subject.noun == 'j':
        raise UsageError('a job has nothing below it', f'culm show {subject.id}')
    kind, pages = ('tasks', _tasks_of) if subject.noun == 'w' else ('jobs', _jobs_of)
    if asked not in (None, kind):
        raise UsageError(f'{subject.id} has no {asked} to list', f'culm ls {subject.id} lists its {kind}')
    return _Wanted(kind, lambda client, given: pages(client, subject, given), subject.id)


def _workflows(client: Client, given: Given) -> Pages:
    state, owner = _checked_state(given.state, 'workflow'), _owner_meant(client, given)
    query: Query = {'state': state, 'owner': owner, 'label': _labels_meant(given)}
    return _paged(client, '/v1/workflows', given.limit, query)


def _tasks(client: Client, given: Given) -> Pages:
    state, owner = _checked_state(given.state, 'task'), _owner_meant(client, given)
    query: Query = {'state': state, 'owner': owner, 'label': _labels_meant(given)}
    return _paged(client, '/v1/tasks', given.limit, query)


def _queues(client: Client, given: Given) -> Pages:
    yield [queue for queue in client.get('/v1/queues')['items'] if given.state in (None, queue['state'])]


def _pilots(client: Client, given: Given) -> Pages:
    for items in _paged(client, '/v1/pilots', given.limit, {}):
        yield [pilot for pilot in items if given.state in (None, pilot['state'])]


_EVERYWHERE: Dict[str, Callable[[Client, Given], Pages]] = {
    **{'workflows': _workflows, 'tasks': _tasks, 'queues': _queues, 'pilots': _pilots}
}


def _tasks_of(client: Client, subject: Subject, given: Given) -> Pages:
    state = _checked_state(given.state, 'task')
    with naming(subject.id):
        client.get(subject.path)
    query: Query = {'state': state, 'label': _labels_meant(given), 'workflowId': subject.id}
    yield from _paged(client, '/v1/tasks', given.limit, query)


def _jobs_of(client: Client, subject: Subject, given: Given) -> Pages:
    state = _checked_state(given.state, 'job')
    with naming(subject.id):
        yield from _paged(client, f'{subject.path}/jobs', given.limit, {'state': state})


def _owner_meant(client: Client, given: Given) -> Optional[str]:
    if given.all:
        return None
    owner: str = given.owner or client.get('/v1/me')['name']
    return owner


def _labels_meant(given: Given) -> Optional[List[str]]:
    return [f'{name}={value}' for name, value in dict(given.label).items()] if given.label else None


def _checked_state(text: Optional[str], noun: str) -> Optional[str]:
    states = states_of(noun)
    if text is not None and text not in states:
        raise UsageError(f'"{text}" is no state of a {noun}', f'one of {", ".join(states)}')
    return text


def _paged(client: Client, path: str, limit: int, query: Query) -> Pages:
    """One more than is wanted is asked for, which tells whether there are more."""
    return pages_of(client, path, {'limit': min(limit + 1, 200), **query})


def _up_to(limit: int, pages: Pages) -> Tuple[List[Row], bool]:
    items: List[Row] = []
    for page in pages:
        items.extend(page)
        if len(items) > limit:
            return items[:limit], False
    return items, True


class _Field(NamedTuple):
    """A column, and what stands in it for each row."""

    title: str
    cell: Callable[[Row, Style], Cell]
    right: bool = False
    flexible: bool = False


def table_of(kind: str, rows: Sequence[Row], style: Style) -> List[str]:
    fields = _FIELDS[kind]
    columns = [Column(field.title, field.right, field.flexible) for field in fields]
    return table(columns, [[field.cell(row, style) for field in fields] for row in rows], style)


def _plain(key: str) -> Callable[[Row, Style], Cell]:
    return lambda row, _style: '' if row[key] is None else str(row[key])


def _age(key: str) -> Callable[[Row, Style], Cell]:
    return lambda row, style: ago(row[key], style.now)


def _state(noun: str, text: Callable[[Row], str] = lambda row: str(row['state'])) -> Callable[[Row, Style], Cell]:
    return lambda row, style: state_cell(noun, row['state'], style, text(row))


def _waiting_for(job: Row) -> str:
    """What a job that does not run yet waits for."""
    state: str = job['state']
    if state == 'pending' and job['unmet'] > 0:
        return f'{state}, waits for {job["unmet"]}'
    return f'{state}, held by {job["heldBy"]}' if state == 'activated' and job['heldBy'] else state


_FIELDS: Dict[str, Sequence[_Field]] = {
    'workflows': (
        _Field('id', _plain('id')),
        _Field('name', _plain('name'), flexible=True),
        _Field('state', _state('workflow', lambda row: with_numbers(row['state'], row['jobs']))),
        _Field('tasks', lambda row, _style: f'{row["tasks"]["ended"]}/{row["tasks"]["total"]}', right=True),
        _Field('jobs', lambda row, _style: str(row['jobs']['total']), right=True),
        _Field('owner', _plain('owner'), flexible=True),
        _Field('age', _age('createdAt'), right=True),
    ),
    'tasks': (
        _Field('id', _plain('id')),
        _Field('name', _plain('name'), flexible=True),
        _Field('state', _state('task', lambda row: with_numbers(row['state'], row['counts']))),
        _Field('jobs', lambda row, _style: str(row['counts']['total']), right=True),
        _Field('queue', _plain('queue'), flexible=True),
        _Field('workflow', _plain('workflowId')),
        _Field('owner', _plain('owner'), flexible=True),
        _Field('age', _age('createdAt'), right=True),
    ),
    'jobs': (
        _Field('id', _plain('id')),
        _Field('index', _plain('index'), right=True),
        _Field('state', _state('job', _waiting_for)),
        _Field('attempt', lambda row, _style: str(row['attempt']) if row['attempt'] > 0 else '', right=True),
        _Field('cause', _plain('cause')),
    ),
    'queues': (
        _Field('name', _plain('name'), flexible=True),
        _Field('site', _plain('site'), flexible=True),
        _Field('state', _state('queue')),
        _Field('pilots', _plain('pilots'), right=True),
        _Field('slots', _plain('slots'), right=True),
        _Field('gpus', _plain('gpus'), right=True),
        _Field('running', _plain('running'), right=True),
        _Field('waiting', _plain('waiting'), right=True),
    ),
    'pilots': (
        _Field('id', _plain('id')),
        _Field('name', _plain('name'), flexible=True),
        _Field('state', _state('pilot')),
        _Field('queue', _plain('queue'), flexible=True),
        _Field('host', _plain('host'), flexible=True),
        _Field('jobs', _plain('jobs'), right=True),
        _Field('slots', _plain('slots'), right=True),
        _Field('gpus', _plain('gpus'), right=True),
        _Field('seen', _age('seenAt'), right=True),
        _Field('started', _age('startedAt'), right=True),
    ),
}

VERB = Verb(
    'ls',
    'list workflows, tasks, jobs, queues or pilots',
    _act,
    arguments=[
        Argument('[what]', f'{", ".join(_KINDS)}; w12 is its tasks, t34 its jobs', default='workflows'),
        Argument('[id]', 'the workflow or task whose tasks or jobs are meant'),
    ],
    options=[
        Option('--state <state>', 'only those in this state'),
        Option('--owner <name>', 'only those of this person; your own when left out'),
        Option('--label <name=value>', 'only those with this label; may be repeated', label, gathers=True),
        Option('-a, --all', "everybody's"),
        Option('-n, --limit <n>', 'so many at most', whole(1), default=20),
    ],
)
