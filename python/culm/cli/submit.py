"""`culm submit -- COMMAND …`"""

from __future__ import annotations

import contextlib
import os
import uuid
from typing import Any, Dict, List, Mapping, Optional, Sequence

from .._client import Client, path_of
from .._environment import environment_in
from .._errors import CulmError
from .cli import Cli
from .environment_options import ENVIRONMENT_OPTIONS
from .errors import INTERRUPTED
from .ids import is_id
from .quantities import attempts, label, memory_mb, secret, secret_file, seconds, whole
from .verb import Argument, Given, Option, Verb
from .watch import watch

#: So many at most in one request; more follow in further requests.
_JOBS_PER_REQUEST = 10_000

#: What was made: `workflowId`, `taskId`, `firstJobId`, `lastJobId`, `jobs`. Others' jobs may have numbers between the two.
Submitted = Dict[str, Any]


def _act(cli: Cli, given: Given) -> int:
    client = cli.client()
    after = [id for ids in given.after or [] for id in ids]
    after_jobs = [id for id in after if id[0] == 'j']
    submitted = _submit(client, _task_of(given, after), given.jobs, after_jobs)
    if not given.wait:
        cli.print_json(submitted) if cli.json else cli.print(_ids_of(submitted))
        return 0
    if not cli.json:
        cli.print(_ids_of(submitted))
    workflow, code = watch(cli, client, submitted['workflowId'])
    if cli.json:
        cli.print_json({**submitted, 'workflow': workflow})
    return code


def _task_of(given: Given, after: Sequence[str]) -> Dict[str, Any]:
    command: List[str] = given.command
    folder = {'folder': os.path.abspath(given.folder)} if given.folder else {}
    said = environment_in(vars(given), os.getcwd())
    environment = {'environment': said} if said else {}
    task = {
        'name': given.name or os.path.basename(command[0]),
        'payload': {'kind': 'command', 'command': command, **folder, **environment},
        'queue': given.queue,
        'site': given.site,
        'cores': given.cores,
        'memoryMb': given.memory,
        'gpus': given.gpus,
        'wallSeconds': given.time,
        'priority': given.priority,
        'attempts': given.attempts,
        'lostAfterSeconds': given.lost_after,
        'labels': dict(given.label) if given.label else None,
        'after': [id for id in after if id[0] == 't'] or None,
        'secrets': [*(given.secret or []), *(given.secret_file or [])] or None,
        'cache': given.cache or None,
    }
    return {name: value for name, value in task.items() if value is not None}


def _submit(client: Client, task: Mapping[str, Any], jobs: int, after: Sequence[str]) -> Submitted:
    """As a workflow of its own, which ends with it. One that was refused leaves no open workflow behind."""
    body = {'name': task['name'], 'kind': 'tasks', **({'labels': task['labels']} if 'labels' in task else {})}
    workflow_id = client.post('/v1/workflows', body, key=str(uuid.uuid4()))['workflowId']
    path = path_of('workflows', workflow_id)
    try:
        submitted = _submit_jobs(client, {**task, 'workflowId': workflow_id}, jobs, after)
        client.post(f'{path}/close', repeat=True)
    except BaseException:
        with contextlib.suppress(CulmError):
            client.post(f'{path}/cancel', {'why': 'it could not be submitted'}, repeat=True)
        raise
    return {'workflowId': workflow_id, **submitted, 'jobs': jobs}


def _submit_jobs(client: Client, task: Mapping[str, Any], jobs: int, after: Sequence[str]) -> Submitted:
    """They differ in their index alone. What does not fit into one request follows in further ones."""
    one = {'args': {'text': '{}'}, **({'after': list(after)} if after else {})}
    first = min(jobs, _JOBS_PER_REQUEST)
    body = {**task, 'jobs': [one] * first, 'open': first < jobs}
    made = client.post('/v1/tasks', body, key=str(uuid.uuid4()))
    last_job_id: Optional[str] = made['lastJobId']
    for index in range(first, jobs, _JOBS_PER_REQUEST):
        n = min(jobs - index, _JOBS_PER_REQUEST)
        more = {'firstIndex': index, 'jobs': [one] * n, 'close': index + n == jobs}
        added = client.post(f'{path_of("tasks", made["taskId"])}/jobs', more, repeat=True)
        last_job_id = added['lastJobId'] or last_job_id
    return {'taskId': made['taskId'], 'firstJobId': made['firstJobId'], 'lastJobId': last_job_id}


def _ids_of(submitted: Submitted) -> str:
    first, last = submitted['firstJobId'], submitted['lastJobId']
    return f'{submitted["workflowId"]} {submitted["taskId"]} {first}{"" if first == last else f"-{last}"}'


def _ids(text: str) -> List[str]:
    ids = [id.strip() for id in text.split(',')]
    for id in ids:
        if not is_id(id, 'tj'):
            raise ValueError(f'"{id}" is not the id of a task or job.')
    return ids


VERB = Verb(
    'submit',
    'submit a command to run as one or many jobs',
    _act,
    arguments=[Argument('<command...>', 'program and arguments, after --; no shell is involved')],
    options=[
        Option('-n, --jobs <n>', 'so many jobs of it; CULM_INDEX tells them apart, from 0', whole(1), default=1),
        Option('--name <name>', 'what people see it called; the name of the program when left out'),
        Option('--queue <name>', 'the queue to run in; the broker chooses when left out'),
        Option('--site <name>', 'the site to run at, in any queue of it; any site when left out'),
        Option('--cores <n>', 'cores of each job', whole(1)),
        Option('--memory <size>', 'limit of each job: 2GB, 512MB', memory_mb),
        Option('--gpus <n>', 'GPUs of each job, its own while it runs', whole(0)),
        Option('--time <duration>', 'limit of each attempt: 90s, 10m, 2h', seconds),
        Option('--priority <n>', '0 to 8000; 1000 when left out', whole(0)),
        Option(
            '--attempts <n>', 'of a job that fails by its own error: 3; by cause: user=3,memory=2,lost=9', attempts
        ),
        Option(
            '--lost-after <duration>', 'how long its pilot may be silent before it is given to another', seconds
        ),
        Option('--label <name=value>', 'to filter and report by; may be repeated', label, gathers=True),
        Option('--after <ids>', 'tasks and jobs that must be done before: t3,j8', _ids, gathers=True),
        Option('--folder <path>', 'folder to run in, on the worker; a fresh one when left out'),
        Option('--cache', 'take a stored result of the same command, and store this one'),
        *ENVIRONMENT_OPTIONS,
        Option('--secret <name=VAR>', 'a secret of yours as variable; may be repeated', secret, gathers=True),
        Option(
            '--secret-file <name=file>',
            'one as $CULM_SECRETS/file; file:VAR puts its path into VAR',
            secret_file,
            gathers=True,
        ),
        Option('--wait', 'follow it to its end; exit code 0 when it is done, 1 otherwise'),
    ],
    more="""
  culm submit -- python3 fit.py --seed 7
  culm submit -n 100 --memory 2GB --time 1h -- sh -c 'simulate --seed $CULM_INDEX'
  culm submit --requirements lock.txt --image docker.io/library/python:3.12 -- python3 fit.py

Prints the ids: workflow, task, job (of several the first and the last).
""",
)
