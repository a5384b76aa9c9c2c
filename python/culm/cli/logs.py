"""`culm logs ID`"""

from __future__ import annotations

from functools import partial
from typing import Any, Dict, Iterator, List, Mapping, Optional, Union

from .._client import Client
from .._client import path_of
from .cli import Cli
from .errors import UsageError
from .ids import Subject, naming, subject_of
from .pages import pages_of, rows_of
from .quantities import whole
from .threads import in_thread
from .verb import Argument, Given, Option, Verb

#: How long the server may hold a request open until there is more, s.
_WAIT_SECONDS = 20

#: So many jobs are followed at once: each holds a connection.
_MOST_FOLLOWED = 32

#: A piece of what a job has printed (`logChunk` in `src/contract/jobs.ts`).
Chunk = Mapping[str, Any]


def _act(cli: Cli, given: Given) -> int:
    client, subject = cli.client(), subject_of(given.id)
    jobs = _jobs_of(client, subject) if given.all else [_only_job_of(client, subject)]
    if given.follow and len(jobs) > _MOST_FOLLOWED:
        what = f'{given.id} has {len(jobs)} jobs, and {_MOST_FOLLOWED} can be followed at once'
        raise UsageError(what, f'name one: culm ls {given.id}')
    writers = [_writer_of(cli, id, given.all) for id in jobs]
    _read_all(client, writers, given)
    if all(writer.is_silent for writer in writers):
        cli.note(f'{given.id} has printed nothing{"" if given.follow else " so far"}')
    return 0


def _read_all(client: Client, writers: List[_Writer], given: Given) -> None:
    """Those that are followed print at the same time; the others one after the other."""
    if given.follow:
        for reading in [in_thread(partial(_read, client, writer, given), 'culm-logs') for writer in writers]:
            reading.result()
    else:
        for writer in writers:
            _read(client, writer, given)


def _read(client: Client, writer: _Writer, given: Given) -> None:
    for chunk in _chunks_of(client, writer.id, given):
        writer.write(chunk)
    writer.end()


def _chunks_of(client: Client, id: str, given: Given) -> Iterator[Chunk]:
    wanted = ('stdout', 'stderr') if given.stdout == given.stderr else ('stdout',) if given.stdout else ('stderr',)
    query: Dict[str, Union[str, int]] = {'waitSeconds': _WAIT_SECONDS if given.follow else 0}
    if given.attempt:
        query['attempt'] = given.attempt
    while True:
        with naming(id):
            page = client.get(f'{path_of("jobs", id)}/log', query)
        yield from (chunk for chunk in page['items'] if chunk['stream'] in wanted)
        query['after'] = page['next']
        if page['ended'] if given.follow else not page['items']:
            return


def _only_job_of(client: Client, subject: Subject) -> str:
    jobs = _jobs_of(client, subject, enough=2)
    if len(jobs) == 1:
        return jobs[0]
    if not jobs:
        raise UsageError(f'{subject.id} has no jobs yet', f'culm show {subject.id}')
    choice = f'culm ls {subject.id} lists them; culm logs {subject.id} --all prints all'
    raise UsageError(f'{subject.id} has several jobs: which is meant?', choice)


def _jobs_of(client: Client, subject: Subject, enough: Optional[int] = None) -> List[str]:
    """Jobs of a task, or of all tasks of a workflow; of many no more pages than hold `enough`."""
    if subject.noun == 'j':
        return [subject.id]
    jobs: List[str] = []
    for task_id in [subject.id] if subject.noun == 't' else _tasks_of(client, subject):
        with naming(task_id):
            for page in pages_of(client, f'{path_of("tasks", task_id)}/jobs', {'limit': 200}):
                jobs += [job['id'] for job in page]
                if enough and len(jobs) >= enough:
                    return jobs
    return jobs


def _tasks_of(client: Client, workflow: Subject) -> List[str]:
    """In the order in which they came."""
    with naming(workflow.id):
        client.get(workflow.path)
    return [task['id'] for task in rows_of(client, '/v1/tasks', {'workflowId': workflow.id, 'limit': 200})][::-1]


class _Writer:
    """What a job printed on standard output goes there, so does standard error. Between attempts people are told."""

    def __init__(self, cli: Cli, id: str) -> None:
        self.id = id
        self._cli = cli
        self._last: Optional[int] = None

    @property
    def is_silent(self) -> bool:
        return self._last is None

    def write(self, chunk: Chunk) -> None:
        attempt: int = chunk['attempt']
        if attempt != self._last and (self._last is not None or attempt > 1):
            self._cli.note(f'attempt {attempt}:')
        self._last = attempt
        self._put(chunk['stream'], chunk['text'])

    def end(self) -> None:
        pass

    def _put(self, stream: str, text: str) -> None:
        (self._cli.stdout if stream == 'stdout' else self._cli.stderr).write(text)


class _PrefixWriter(_Writer):
    """Whole lines only, with the job that printed them, so that the lines of several jobs do not mix."""

    def __init__(self, cli: Cli, id: str) -> None:
        super().__init__(cli, id)
        self._rest = {'stdout': '', 'stderr': ''}

    def write(self, chunk: Chunk) -> None:
        self._last = chunk['attempt']
        stream = chunk['stream']
        *lines, self._rest[stream] = (self._rest[stream] + chunk['text']).split('\n')
        for line in lines:
            self._put_line(stream, line)

    def end(self) -> None:
        for stream, rest in self._rest.items():
            if rest:
                self._put_line(stream, rest)

    def _put_line(self, stream: str, line: str) -> None:
        style = self._cli.style(self._cli.stdout if stream == 'stdout' else self._cli.stderr)
        self._put(stream, f'{style.paint("dim", f"{self.id} |")} {line}\n')


class _JsonWriter(_Writer):
    #: To a program nothing is nothing.
    is_silent = False

    def write(self, chunk: Chunk) -> None:
        self._cli.print_json({'jobId': self.id, **chunk})


def _writer_of(cli: Cli, id: str, is_one_of_many: bool) -> _Writer:
    if cli.json:
        return _JsonWriter(cli, id)
    return _PrefixWriter(cli, id) if is_one_of_many else _Writer(cli, id)


VERB = Verb(
    'logs',
    'what a job has printed',
    _act,
    arguments=[Argument('<id>', 'j56; of t34 or w12 it is their only job, or --all')],
    options=[
        Option('-f, --follow', 'go on until it has ended'),
        Option('--attempt <n>', 'only of this attempt', whole(1)),
        Option('--stdout', 'only standard output'),
        Option('--stderr', 'only standard error'),
        Option('--all', 'of all jobs, each line with the job that printed it'),
    ],
)
