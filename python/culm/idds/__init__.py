"""Programmes that were written for iDDS's functions as tasks, with only their import lines changed.

    from culm.idds import Workflow, get_unique_id_for_dict, work, workflow

A call of a work is a task, and an element of `group_kwargs` (or `multi_jobs_kwargs_list`) a job of it. What a function
gives is what its caller gets: None, False and an empty list too, in the order of the arguments. What goes wrong is
raised, with the traceback of the worker; nothing waits for what cannot come. Options that mean nothing here are taken
with one warning that says what to do instead, and those whose absence would change what is computed are refused.
"""

from __future__ import annotations

from ._async_result import AsyncResult
from ._ids import get_unique_id_for_dict
from ._map_result import MapResult
from ._work import Work, work
from ._workflow import Workflow, workflow

__all__ = ['AsyncResult', 'MapResult', 'Work', 'Workflow', 'get_unique_id_for_dict', 'work', 'workflow']

for _public in __all__:
    globals()[_public].__module__ = __name__  # what is captured names them as programmes do
