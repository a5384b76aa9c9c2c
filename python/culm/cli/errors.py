"""What goes wrong, as a command tells it: for people in two lines, for programs as a problem document."""

from __future__ import annotations

import ssl
import traceback
from typing import TYPE_CHECKING, Any, Dict, List, NamedTuple, Tuple

from .._errors import CulmError

if TYPE_CHECKING:
    from .cli import Cli

#: What the process ends with; 0 is success.
FAILED, USAGE, NO_SERVER, INTERRUPTED = 1, 2, 3, 130

#: HTTP status and title of the faults that arise on this machine (`src/contract/faults.ts`); others the server tells.
_LOCAL: Dict[str, Tuple[int, str]] = {
    'invalid_id': (400, 'Not an id of this kind'),
    'invalid_input': (400, 'A field is missing, unknown or of the wrong form'),
    'plain_http': (422, 'Plain HTTP is only for this machine'),
    'bundle_failed': (422, 'The source could not be bundled'),
    'bundle_has_credentials': (422, 'A file that would be shipped holds credentials'),
    'bundle_too_large': (422, 'The sources are more than a bundle may hold'),
    'environment_invalid': (422, 'No environment can be made of this'),
    'server_unknown': (503, 'No Culm server was found'),
    'server_away': (503, 'The server does not answer'),
    'node_missing': (501, 'What this takes is not installed here'),
    'internal': (500, 'A bug in Culm'),
}

_EXIT_CODES = {'invalid_id': USAGE, 'invalid_input': USAGE, 'server_unknown': NO_SERVER, 'server_away': NO_SERVER}


class UsageError(Exception):
    """The command cannot be carried out as it was written. `help`: what to do; the help of its verb when left out."""

    def __init__(self, message: str, help: str = '') -> None:
        super().__init__(message)
        self.help = help


class _Told(NamedTuple):
    problem: Dict[str, Any]
    exit_code: int
    stack: str = ''


def report_error(cli: Cli, error: BaseException, verb: str = '') -> int:
    """Tells what went wrong, and gives the exit code that says it to programs."""
    told = _told_of(error, verb)
    if cli.json:
        cli.stderr.write(f'{cli.json_text(told.problem)}\n')
    else:
        cli.stderr.write('\n'.join([*_lines_of(cli, told), '']))
    return told.exit_code


def _told_of(error: BaseException, verb: str) -> _Told:
    if isinstance(error, UsageError):
        help = error.help or f'culm {verb} --help'.replace('  ', ' ')
        return _Told(_problem('invalid_input', str(error), help), USAGE)
    if isinstance(error, CulmError):
        sent = {name: error.problem[name] for name in ('title', 'status') if name in error.problem}
        problem = {**error.data, **_problem(error.code, error.detail, error.help), **sent}
        return _Told(problem, _EXIT_CODES.get(error.code, FAILED))
    if isinstance(error, ssl.SSLError):
        help = 'Is the address right? SSL_CERT_FILE=FILE.pem names the authority that has signed its certificate.'
        return _Told(_problem('server_away', f'the server cannot be trusted: {error}', help), NO_SERVER)
    stack = ''.join(traceback.format_exception(type(error), error, error.__traceback__)).rstrip()
    return _Told(_problem('internal', str(error), 'Please report it.'), FAILED, stack)


def _problem(code: str, detail: str, help: str) -> Dict[str, Any]:
    status, title = _LOCAL.get(code, (None, None))
    return {
        **{'type': f'urn:culm:fault:{code}', 'title': title, 'status': status},
        **{'code': code, 'detail': detail, 'help': help},
    }


def _lines_of(cli: Cli, told: _Told) -> List[str]:
    style = cli.style(cli.stderr)
    problem = told.problem
    fields = problem.get('errors')
    many = fields if isinstance(fields, list) and len(fields) > 1 else []
    return [
        f'{style.paint("red", "error:")} {problem["detail"]}',
        *(f'  {field["field"]}: {field["problem"]}' for field in many),
        *([f'{style.paint("dim", "help:")} {problem["help"]}'] if problem['help'] else []),
        *([style.paint('dim', told.stack)] if told.stack else []),
    ]
