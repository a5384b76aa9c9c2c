"""What can go wrong, as exceptions.

`CulmError` is anything that Culm itself has to say, with a code of the server's catalogue. `RemoteError` and its
subclasses, one for each cause, say why a call has no value.
"""

from __future__ import annotations

import builtins
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any, Callable, Dict, Iterator, Mapping, Optional, Tuple, Type, Union

#: What to do about the errors that arise on this machine; the server sends its own help.
_LOCAL_HELP: Dict[str, str] = {
    'server_away': 'Is it running? `culm doctor` looks.',
    'plain_http': 'Use https:// for a server elsewhere.',
    'unauthenticated': 'Set CULM_TOKEN, or `culm login`; on the machine of the server the token is in CULM_HOME/token.',
    'work_not_exported': 'Define it with `def`, and call it under the name that it was defined by.',
    'work_during_import': 'Call it inside a function; in a script, below `if __name__ == "__main__":`.',
    'bundle_has_credentials': 'Name it in .culmignore; what jobs need of it they get as a secret: '
    '`culm secret set NAME < FILE`, and `@work(secrets=…)`.',
    'bundle_too_large': 'Name what is not needed in a file .culmignore in the folder that holds the package '
    '(`culm bundle FILE --list` shows all), and keep data where jobs can read it.',
    'callback_misplaced': 'Call `callback` inside a work, where it runs as a job, and return what it gave, by itself, '
    'as the value of that job.',
    'value_unsupported': 'Send plain data (numbers, text, lists, dicts, dates, bytes, dataclasses, NumPy arrays, pandas '
    "tables), or mark the work with `@work(codec='pickle')`.",
    'workflow_ended': 'Start a new one; an ended workflow takes no more calls.',
    'code_changed': 'Continue it with the code that it was started with, or say that the change does not matter to '
    'what it has done so far: `culm run FILE --continue --accept-code` (CULM_ACCEPT_CODE=1).',
    'arguments_changed': 'Continue it with the same arguments, or start it anew, without --continue (CULM_RUN).',
    'journal_diverged': 'What a workflow function does may only depend on its arguments and on what its calls gave. '
    'Take time, chance and facts from outside from `culm.journal` (now, random, uuid, sleep, once); or start it anew.',
    'once_failed': 'An error of `journal.once` that is no built-in one comes back like this when it is replayed.',
}


class CulmError(Exception):
    """A promise that was broken: bad input, a missing thing, a server that is away.

    `code` is for programs (see `docs/reference/errors.md`), `detail` says what is the matter this time, `help` what to
    do about it, and `data` holds what else the server told. `problem` is the document (RFC 9457) that it sent, if it
    did.
    """

    problem: Mapping[str, Any] = MappingProxyType({})

    def __init__(self, code: str, detail: str, help: str = '', data: Optional[Mapping[str, Any]] = None) -> None:
        super().__init__(code, detail, help, data)
        self.code = code
        self.detail = detail
        self.help = help or _LOCAL_HELP.get(code, '')
        self.data: Dict[str, Any] = dict(data or {})

    def __str__(self) -> str:
        fields = [f'{e.get("field", "")}: {e.get("problem", "")}' for e in _field_errors(self.data)]
        return '\n'.join([f'{self.detail} ({self.code})', *fields, *([self.help] if self.help else [])])


class CodeChanged(CulmError):
    """A workflow was to be continued, and its function's source is not what it was."""


class ArgumentsChanged(CulmError):
    """A workflow was to be continued, and its function was called with other arguments."""


class JournalDiverged(CulmError):
    """A program that was continued did not do again what its earlier run had done, so its journal is of no use to it.

    The workflow is not ended by this: once the cause is mended it can be continued.
    """


_BY_CODE: Dict[str, Type[CulmError]] = {
    'code_changed': CodeChanged,
    'arguments_changed': ArgumentsChanged,
    'journal_diverged': JournalDiverged,
}


def culm_error(code: str, detail: str, help: str = '', data: Optional[Mapping[str, Any]] = None) -> CulmError:
    """An error of the catalogue, of its own class when it has one."""
    return _BY_CODE.get(code, CulmError)(code, detail, help, data)


def _field_errors(data: Mapping[str, Any]) -> Tuple[Mapping[str, Any], ...]:
    errors = data.get('errors')
    return tuple(e for e in errors if isinstance(e, dict)) if isinstance(errors, list) else ()


class RemoteError(CulmError):
    """A call ended without a value. Its class, and `cause`, say who is to blame.

    Attributes: `job_id`, `task_id`, `index` (place of the job in its task, from 0), `attempt`, `state`, `cause`,
    `remote_type` and `remote_message` (class and text of the error on the worker), `remote_traceback` (text, or ''),
    `page` (the address of the job's page, or '') and `log` (the last lines that it printed, or ''). The text of the
    error has them all; the log is fetched when that text or `log` is first asked for.
    """

    #: How a sentence about it begins.
    what = 'ended without a value'

    def __init__(self, outcome: Mapping[str, Any], work_name: str = 'call') -> None:
        error = outcome.get('error') or {}
        self.outcome: Dict[str, Any] = dict(outcome)
        self.work_name = work_name
        self.job_id: str = outcome['jobId']
        self.task_id: str = outcome['taskId']
        self.index: int = outcome['index']
        self.attempt: int = outcome['attempt']
        self.state: str = outcome['state']
        self.cause: Optional[str] = outcome.get('cause')
        self.remote_type: str = error.get('type', '')
        self.remote_message: str = error.get('message', '')
        self.remote_traceback: str = error.get('stack', '')
        self.page = ''
        self._log: Union[str, Callable[[], str]] = ''
        super().__init__(self.cause or self.state, f'{work_name} ({self.job_id}) {self.what}{self._story()}')

    def _story(self) -> str:
        said = ': '.join(part for part in (self.remote_type, self.remote_message) if part)
        return f': {said}' if said else ''

    @property
    def log(self) -> str:
        if not isinstance(self._log, str):
            self._log = self._log()
        return self._log

    def told_by(self, page: str, read_log: Callable[[], str]) -> RemoteError:
        """Says where there is more about it."""
        self.page = page
        self._log = read_log
        return self

    def __str__(self) -> str:
        parts = [self.detail]
        if self.remote_traceback:
            parts.append(f'On the worker, attempt {self.attempt}:\n{self.remote_traceback.rstrip()}')
        if not _alone.get():
            parts += [f'It printed last:\n{self.log}'] if self.log else []
            parts += [f'{self.page} has more of it.'] if self.page else []
        return '\n\n'.join(parts) + ('\n' if len(parts) > 1 else '')

    def __reduce__(self) -> Tuple[Any, ...]:
        known = self._log if isinstance(self._log, str) else ''
        return error_of, (self.outcome, self.work_name), {'page': self.page, '_log': known}


#: Whether errors are told without what the server has of them anyway.
_alone: ContextVar[bool] = ContextVar('culm_alone', default=False)


@contextmanager
def told_alone() -> Iterator[None]:
    """Around the making of a report for the server, which has logs and pages itself."""
    token = _alone.set(True)
    try:
        yield
    finally:
        _alone.reset(token)


class UserError(RemoteError):
    """The function raised an error. If that was a built-in one, `except ValueError` (…) catches this as well."""

    what = 'raised'

    def _story(self) -> str:
        return f' {super()._story()[2:]}'


class MemoryLimit(RemoteError):
    """It went over its memory limit and was ended."""

    what = 'went over its memory limit'


class WallTimeLimit(RemoteError):
    """It went over its time limit and was ended."""

    what = 'went over its time limit'


class BundleError(RemoteError):
    """Its code could not be loaded on the worker: a module or package is missing there, or its import fails."""

    what = 'could not be loaded'


class EnvironmentFailed(RemoteError):
    """Where it was to run could not be made: its packages, its image, or what is run before it."""

    what = 'had no environment to run in'


class SiteError(RemoteError):
    """The place could not run it: no disk, no interpreter."""

    what = 'could not be run where it was sent'


class StorageError(RemoteError):
    """Its inputs could not be fetched, or its outputs could not be stored."""

    what = 'could not fetch or store its data'


class LostError(RemoteError):
    """Its pilots fell silent, as often as it may be lost."""

    what = 'was lost with its pilot'


class RunnerError(RemoteError):
    """Its process ended without a word: a signal, or an exit in the middle."""

    what = 'lost its process'


class ParentFailed(RemoteError):
    """Something it was to run after did not finish."""

    what = 'did not run, since something before it did not finish'


class CallCancelled(RemoteError):
    """It was cancelled."""

    what = 'was cancelled'


_BY_CAUSE: Dict[str, Type[RemoteError]] = {
    'user': UserError,
    'memory': MemoryLimit,
    'walltime': WallTimeLimit,
    'bundle': BundleError,
    'environment': EnvironmentFailed,
    'site': SiteError,
    'storage': StorageError,
    'lost': LostError,
    'runner': RunnerError,
    'parent': ParentFailed,
    'cancelled': CallCancelled,
}

#: Classes of a UserError that is a ValueError (…) too, made when first needed.
_also: Dict[str, Type[RemoteError]] = {}


def error_of(outcome: Mapping[str, Any], work_name: str = 'call') -> RemoteError:
    """The exception that the outcome of a job stands for; the outcome is as `GET /v1/tasks/{id}/outcomes` gives it."""
    cause = outcome.get('cause') or ('cancelled' if outcome['state'] == 'cancelled' else '')
    kind = _BY_CAUSE.get(cause, RemoteError)
    if kind is UserError:
        kind = _user_error((outcome.get('error') or {}).get('type', ''))
    return kind(outcome, work_name)


def _user_error(type_name: str) -> Type[RemoteError]:
    if type_name not in _also:
        _also[type_name] = _make_user_error(getattr(builtins, type_name, None))
    return _also[type_name]


def _make_user_error(builtin: Any) -> Type[RemoteError]:
    """StopIteration is left out: raised again inside a generator, it would end that one."""
    fits = isinstance(builtin, type) and issubclass(builtin, Exception) and builtin is not Exception
    if not fits or issubclass(builtin, (StopIteration, StopAsyncIteration)):
        return UserError
    try:
        return type(
            'UserError', (UserError, builtin), {'__doc__': UserError.__doc__, '__module__': UserError.__module__}
        )
    except TypeError:  # Some built-in errors have a layout of their own.
        return UserError
