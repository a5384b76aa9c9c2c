"""Culm: functions that run as jobs, on a laptop or at many sites.

from culm import work, workflow

@work
def square(x):
    return x * x

@workflow
def main():
    return sum(square.map(range(10)))

if __name__ == '__main__':
    print(main())
"""

from typing import TYPE_CHECKING, Any

from ._callback import Callback, callback
from ._calls import Call, MapCall, Outcome
from ._errors import (
    ArgumentsChanged,
    BundleError,
    CallCancelled,
    CodeChanged,
    CulmError,
    EnvironmentFailed,
    JournalDiverged,
    LostError,
    MemoryLimit,
    ParentFailed,
    RemoteError,
    RunnerError,
    SiteError,
    StorageError,
    UserError,
    WallTimeLimit,
)
from ._inside import checkpoint, progress, remaining_seconds, report, restored
from ._records import Record
from ._setup import setup
from ._work import Work, work

if TYPE_CHECKING:
    from . import journal
    from ._client import Client
    from ._executor import Executor
    from ._local import local
    from ._workflow import WorkflowFunction, session, workflow

__version__ = '0.1.0'

__all__ = [
    'ArgumentsChanged',
    'BundleError',
    'Call',
    'CallCancelled',
    'Callback',
    'Client',
    'CodeChanged',
    'CulmError',
    'EnvironmentFailed',
    'Executor',
    'JournalDiverged',
    'LostError',
    'MapCall',
    'MemoryLimit',
    'Outcome',
    'ParentFailed',
    'Record',
    'RemoteError',
    'RunnerError',
    'SiteError',
    'StorageError',
    'UserError',
    'WallTimeLimit',
    'Work',
    'WorkflowFunction',
    'callback',
    'checkpoint',
    'journal',
    'local',
    'progress',
    'remaining_seconds',
    'report',
    'restored',
    'session',
    'setup',
    'work',
    'workflow',
]

for _public in set(__all__) & set(globals()):
    globals()[_public].__module__ = __name__  # tracebacks say culm.UserError

_LAZY = {
    'Client': '_client',
    'Executor': '_executor',
    'WorkflowFunction': '_workflow',
    'local': '_local',
    'session': '_workflow',
    'workflow': '_workflow',
}


def __getattr__(name: str) -> Any:
    """What speaks HTTP is imported when it is first needed: a runner seldom does, and starts faster without."""
    from importlib import import_module

    if name == 'journal':
        return import_module(f'{__name__}.journal')
    if name not in _LAZY:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(import_module(f'{__name__}.{_LAZY[name]}'), name)
