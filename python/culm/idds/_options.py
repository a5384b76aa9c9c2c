"""Options of iDDS: what each is to Culm, and what to do instead of those that mean nothing to it."""

from __future__ import annotations

import sys
import warnings
from typing import Any, Dict, FrozenSet, Mapping, Optional, Set

from .._errors import CulmError
from .._scope import is_set

#: Options that jobs ask for, by the name that Culm gives them.
_NEEDS = {
    'queue': 'queue',
    'core_count': 'cores',
    'total_memory': 'memory_mb',
    'max_walltime': 'wall_seconds',
    'priority': 'priority',
    'max_attempt': 'attempts',
}
LABELS = ('campaign', 'campaign_scope', 'campaign_group', 'campaign_tag', 'task_type', 'processing_type')
_ENVIRONMENT = ('init_env', 'clean_env', 'post_script', 'container_options')

_FOUND = 'modules are found by import statements; other files lie in a package of yours, or are passed as arguments'
#: Options that mean nothing here, and what to do instead.
_NOTHING = {
    'service': 'the server is that of CULM_SERVER, or the one that `culm up` started',
    'source_dir': _FOUND,
    'use_func_dir': _FOUND,
    'source_dir_parent_level': _FOUND,
    'exclude_source_files': 'name what a package is not to ship in a file .culmignore beside it',
    'primary': 'leave it out',
    'site': 'name a queue of the site: queue=',
    'cloud': 'name a queue: queue=',
    'vo': 'the experiment is that of your token',
    'working_group': 'the group is that of your token',
    'username': 'who you are is told by your token',
    'userdn': 'who you are is told by your token',
    'token': 'who may add to a workflow is told by your token',
    'lifetime': 'workflows do not expire; `culm cancel` ends one',
    'max_processing_requests': 'how many jobs run at once is decided by queues and shares',
    'enable_separate_log': 'each job has a log of its own: `culm logs`',
    'log_dataset_name': 'each job has a log of its own: `culm logs`',
    'no_wraps': 'leave it out: the function itself is `.fn`',
    'is_unique_func_name': 'names need not be unique; workflows have ids',
    'context': 'leave it out: it is made when it is needed',
    'current_job_kwargs': 'leave it out: it is made when it is needed',
    'multi_jobs_kwargs_list': 'give it to the call of the work',
    'lazy': 'a call is submitted when it is made; return_work=True gives a handle that is not yet submitted',
    'parent_transform_id': 'name the task to run after: parent_workload_id="t12"',
    'parent_internal_id': 'name the task to run after: parent_workload_id="t12"',
}
#: Options that decide what is computed: who leaves them out computes something else.
_REFUSED = {
    'input_datasets': "give each job its files: group_kwargs=[{'files': [...]}, ...]",
    'output_file_name': 'return what the function has made, or write it to a place that it was given',
    'output_dataset_name': 'return what the function has made, or write it to a place that it was given',
    'num_events': "give each job its events: group_kwargs=[{'first': 0, 'count': 100}, ...]",
    'num_events_per_job': "give each job its events: group_kwargs=[{'first': 0, 'count': 100}, ...]",
}
_OF_HANDLE = 'leave it out: the handle knows it'
_ENOUGH = 'all jobs of the handle are waited for; wait_percent=0.5 says that half of them are enough'
#: Options of an AsyncResult that mean nothing here.
OF_RESULT = {
    'name': _OF_HANDLE,
    'internal_id': _OF_HANDLE,
    'map_results': _OF_HANDLE,
    'multi_jobs_kwargs_list': _OF_HANDLE,
    'current_job_kwargs': _OF_HANDLE,
    'wait_num': _ENOUGH,
    'wait_keys': _ENOUGH,
}
_SHARED = (*_NEEDS, *LABELS, *_ENVIRONMENT, *_NOTHING)
OF_WORKFLOW: FrozenSet[str] = frozenset(_SHARED) - {
    'lazy',
    'parent_transform_id',
    'parent_internal_id',
    'log_dataset_name',
}
OF_WORK: FrozenSet[str] = frozenset((*_SHARED, *_REFUSED))

_warned: Set[str] = set()


def understood(
    options: Mapping[str, Any], known: FrozenSet[str], owner: str, nothing: Mapping[str, str] = _NOTHING
) -> Dict[str, Any]:
    """Those of them that mean something here and were given."""
    for name, value in options.items():
        if name not in known:
            raise TypeError(f'{owner} has no option {name!r}')
        if name in _REFUSED and value:
            raise CulmError('option_unsupported', f'{owner} has no {name} here', _REFUSED[name])
        if name in nothing and value:
            _warn(name, nothing[name])
    return {name: value for name, value in options.items() if value is not None and name not in nothing}


def _warn(name: str, instead: str) -> None:
    """Once in a program, at the line of it that gave the option."""
    if name not in _warned:
        _warned.add(name)
        warnings.warn(f'{name} means nothing to Culm: {instead}', stacklevel=1 + _frames_of_culm())


def _frames_of_culm() -> int:
    """How many of the calls that led here are Culm's own: a decorator has more of them than a handle's attribute."""
    frame, own = sys._getframe(1), 0
    while frame.f_back and frame.f_globals['__name__'].partition('.')[0] == 'culm':
        frame, own = frame.f_back, own + 1
    return own


def needs_of(options: Mapping[str, Any]) -> Dict[str, Any]:
    """What jobs with these options ask for."""
    needs = {_NEEDS[name]: value for name, value in options.items() if name in _NEEDS}
    return {**needs, **_environment(options, needs.get('queue'))}


def _environment(options: Mapping[str, Any], queue: Optional[str]) -> Dict[str, Any]:
    """Where the jobs run. On this machine it may be ignored: then they run in the environment of the program."""
    named = {name: options[name] for name in ('init_env', 'clean_env', 'post_script') if options.get(name)}
    image = (options.get('container_options') or {}).get('container_image')
    wanted = {**named, **({'image': image} if image else {})}
    if wanted and queue in (None, 'local') and is_set('CULM_IDDS_IGNORE_ENV'):
        return {'queue': 'local'}
    return wanted
