"""`culm run FILE [ARGS]`"""

from __future__ import annotations

import codecs
import os
import signal
import subprocess
import threading
import uuid
from typing import IO, Dict, List, Mapping, NamedTuple, Optional

from .._client import Client
from .._errors import CulmError
from .cancel import cancel_all
from .cli import Cli
from .errors import FAILED, INTERRUPTED, UsageError
from .ids import is_id, naming
from .interrupts import listening
from .languages import NODE_SUFFIXES, interpreter, package_path
from .look.values import json_of
from .node import hand_over
from .output import Output
from .pages import first_found
from .progress.follow import Workflow
from .progress.follower import Follower
from .threads import in_thread
from .verb import Argument, Given, Option, Verb

#: How often it is looked for a workflow of the script, s.
_LOOK_SECONDS = 0.3


class _ProgramRun(NamedTuple):
    """The program that is run: a new one, or that of a workflow which is continued. `is_remote`: its workflow functions
    run as jobs."""

    id: str
    accepts_code: bool
    is_remote: bool


def _act(cli: Cli, given: Given) -> int:
    path = os.path.abspath(given.file)
    if not os.path.exists(path):
        raise UsageError(f'there is no file {given.file}')
    suffix = os.path.splitext(path)[1]
    if suffix in NODE_SUFFIXES:
        return hand_over(cli.words)
    if suffix != '.py':
        raise UsageError(
            f'{given.file} is neither TypeScript, JavaScript nor Python',
            'a command is run by: culm submit --wait -- COMMAND',
        )
    client = cli.client()
    return _run_script(cli, client, [path, *given.args], given, _program_run(cli, client, path, given))


def _program_run(cli: Cli, client: Client, path: str, given: Given) -> _ProgramRun:
    owner = client.get('/v1/me')['name']
    if given.__dict__['continue'] is None:
        if given.accept_code:
            raise UsageError('--accept-code goes with --continue')
        return _ProgramRun(str(uuid.uuid4()), False, given.remote)
    wanted = given.__dict__['continue']
    program = os.path.basename(path)
    workflow = _newest_unfinished(client, owner, program) if wanted is True else _named(client, wanted)
    if not workflow['run']:
        what = f'{workflow["id"]} was not started by a program that can be continued'
        raise UsageError(what, 'start the program anew')
    cli.note(f'{workflow["id"]} is continued, which was {workflow["state"]}')
    return _ProgramRun(workflow['run'], given.accept_code, given.remote or workflow['kind'] == 'job')


def _named(client: Client, id: str) -> Workflow:
    if not is_id(id, 'w'):
        what = f'--continue takes a workflow, such as w12, and not "{id}"'
        raise UsageError(what, 'write the arguments of the function before it')
    with naming(id):
        found: Workflow = client.get(f'/v1/workflows/{id}')
    return found


def _newest_unfinished(client: Client, owner: str, program: str) -> Workflow:
    found: List[Workflow] = []
    for state in ('running', 'paused'):
        query = {'owner': owner, 'program': program, 'state': state, 'limit': '1'}
        found += first_found(client, '/v1/workflows', query)
    if not found:
        what = f'no workflow of {program} is unfinished'
        raise UsageError(what, 'culm ls shows yours; --continue w12 names one')
    return max(found, key=lambda workflow: int(workflow['id'][1:]))


def _run_script(cli: Cli, client: Client, words: List[str], given: Given, run: _ProgramRun) -> int:
    """In a process of its own, whose workflows are followed meanwhile."""
    child = _started([given.python or interpreter(cli.env), *words], _environment(cli, run))
    follower = Follower(cli, client)
    was_interrupted = False

    def interrupt() -> None:
        nonlocal was_interrupted
        was_interrupted = True
        # A terminal tells the script as well; whoever else interrupts tells this process alone.
        if not cli.stderr.is_tty:
            child.send_signal(signal.SIGINT)
        in_thread(lambda: cancel_all(client, follower.ids), 'culm-cancel')

    ending = threading.Event()
    looking = in_thread(lambda: _add_new(client, run.id, follower, ending), 'culm-look')
    try:
        with listening(interrupt):
            _pass_on(cli, child)
            code = child.wait()
            ending.set()
            looking.result()
            workflows = follower.end()
    finally:
        ending.set()
        child.kill()
        follower.end()
    return _tell_end(cli, workflows[0] if workflows else None, code, was_interrupted)


def _tell_end(cli: Cli, workflow: Optional[Workflow], code: int, was_interrupted: bool) -> int:
    if cli.json:
        ended = workflow or {'id': None, 'state': None, 'value': None, 'error': None}
        value, error = ended['value'], ended['error']
        told = {'workflowId': ended['id'], 'state': ended['state'], 'value': json_of(value) if value else None}
        cli.print_json({**told, **({'error': error} if error else {})})
    if code == 0:
        return 0
    if workflow and workflow['state'] != 'done':
        cli.note(f'culm explain {workflow["id"]} says why')
    return INTERRUPTED if was_interrupted or code == -signal.SIGINT else FAILED


def _environment(cli: Cli, run: _ProgramRun) -> Dict[str, str]:
    """The script finds the server that was named here, and this package; what it prints comes at once."""
    server, token = cli.named
    return {
        **cli.env,
        **package_path(cli.env),
        'PYTHONUNBUFFERED': '1',
        'CULM_RUN': run.id,
        **({'CULM_ACCEPT_CODE': '1'} if run.accepts_code else {}),
        **({'CULM_REMOTE': '1'} if run.is_remote else {}),
        **({'CULM_SERVER': server} if server else {}),
        **({'CULM_TOKEN': token} if token else {}),
    }


def _started(command: List[str], env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    except OSError as error:
        what = f'{command[0]} cannot be started: {error.strerror}'
        raise UsageError(what, 'name the interpreter: --python PATH') from None


def _pass_on(cli: Cli, child: subprocess.Popen[bytes]) -> None:
    """What the script prints, until it prints no more. Standard output is one document with --json: then it goes
    beside that."""
    assert child.stdout and child.stderr
    errors = in_thread(lambda: _copy(child.stderr, cli.stderr), 'culm-stderr')
    output = in_thread(lambda: _copy(child.stdout, cli.stderr if cli.json else cli.stdout), 'culm-stdout')
    output.result()
    errors.result()


def _copy(source: Optional[IO[bytes]], output: Output) -> None:
    decoder = codecs.getincrementaldecoder('utf-8')('replace')
    while source:
        part = os.read(source.fileno(), 1 << 16)
        text = decoder.decode(part, final=not part)
        if text:
            output.write(text)
        if not part:
            return


def _add_new(client: Client, run: str, follower: Follower, ending: threading.Event) -> None:
    """The script is another process: its workflows are those of its run."""
    is_last = False
    while not is_last:
        is_last = ending.wait(_LOOK_SECONDS)
        try:
            found = client.get('/v1/workflows', {'run': run, 'limit': 50})['items']
        except CulmError:
            continue  # An outage passes, or the script says so.
        for workflow in reversed(found):
            follower.add(workflow['id'])


VERB = Verb(
    'run',
    'run the workflow of a file here, and follow it to its end',
    _act,
    arguments=[
        Argument('<file>', 'TypeScript, JavaScript or Python'),
        Argument(
            '[args...]', 'what the function is called with: JSON, or else text; what begins with a dash goes after --'
        ),
    ],
    options=[
        Option(
            '-e, --export <name>', 'the function to run; the exported workflow, `default` or `main` when left out'
        ),
        Option(
            '--python <path>', 'the interpreter for a Python file; that of VIRTUAL_ENV, else the one of this program'
        ),
        Option('-r, --remote', 'as a job: it goes on whatever becomes of this command'),
        Option(
            '-c, --continue [id]',
            'go on where an earlier start was: that of workflow w12; the newest of this file that has not ended when '
            'left out',
        ),
        Option('--accept-code', 'with --continue: go on though the source was changed'),
    ],
    more="""
  culm run analysis.ts 100 '{"cut": 0.5}'
  culm run analysis.py -- --events 100     (a Python file is run as a script: it calls its own workflow)
  culm run analysis.ts 100 '{"cut": 0.5}' --continue w12

The value is printed on standard output, the progress on standard error. Exit code 0 when it is done, 1 when it failed, 130 after Ctrl-C,
which cancels the workflow; a second Ctrl-C leaves at once. With --remote the function itself is a job (of a Python file: each workflow function that the script calls), and this
command only waits for its value: killed or cut off, it finds that again by --continue.
""",
)
