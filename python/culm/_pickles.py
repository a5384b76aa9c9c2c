"""What works with `codec='pickle'` send and give: arguments and values that plain data cannot express.

Only the user's own processes read them, and only for a work that says so in their own source: the server keeps them as
the text that they are.
"""

from __future__ import annotations

import base64
import io
import pickle
import sys
from typing import Any, Dict

from ._errors import CulmError
from ._records import main_module
from ._source import MAIN_MODULES

_PYTHON = f'{sys.version_info.major}.{sys.version_info.minor}'


def to_plain(value: Any, place: str) -> Dict[str, str]:
    """The `v` of a pickled value."""
    try:
        data = pickle.dumps(value, protocol=4)
    except Exception as error:  # whatever the class of the value raises
        why = f'{place} cannot be pickled: {error or type(error).__name__}'
        raise CulmError(
            'value_unsupported', why, 'Send what it is made from, and make it inside the function.'
        ) from None
    return {'python': _PYTHON, 'data': base64.b64encode(data).decode()}


def read(v: Dict[str, str]) -> Any:
    """Raises CulmError when another minor version of Python wrote it: classes and their pickles differ between these."""
    if v['python'] != _PYTHON:
        why = f'a value was pickled by Python {v["python"]}, and this is Python {_PYTHON}'
        raise CulmError(
            'value_unsupported', why, "Use the same version on both sides, or send plain data, without codec='pickle'."
        )
    return _Unpickler(io.BytesIO(base64.b64decode(v['data']))).load()


class _Unpickler(pickle.Unpickler):
    """The program's first module has another name on a worker."""

    def find_class(self, module: str, name: str) -> Any:
        if module not in MAIN_MODULES:
            return super().find_class(module, name)
        found: Any = main_module()
        for part in name.split('.'):
            found = getattr(found, part)
        return found
