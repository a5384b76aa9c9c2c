"""Where a work is to be found on the worker: a module and the name of an export of it."""

from __future__ import annotations

import os
import sys
from typing import Any, Callable, Dict, NamedTuple, Optional, Sequence, Set, Tuple, cast

from ._errors import CulmError

#: The name under which a worker imports a script, so that what stands below `if __name__ == '__main__'` does not run.
SCRIPT_MODULE = '__culm_main__'
#: The names under which a program's first module goes in its own process, in one that it spawned, and on a worker.
MAIN_MODULES = frozenset({'__main__', '__mp_main__', SCRIPT_MODULE})
#: In the globals of such a script: its path in the bundle.
SCRIPT_PATH = '__culm_path__'
#: The module, and file of a bundle, that has what was captured: works that no module has.
CAPTURED_MODULE = '__culm_captured__.json'


class Source(NamedTuple):
    """`module` is a dotted name or, for a script, a path inside the bundle; `file` is where it lies on this machine."""

    module: str
    export: str
    file: Optional[str]
    is_script: bool

    @property
    def identity(self) -> str:
        """The name of the work in journals."""
        return f'{self.module}#{self.export}'


#: What `@work(files=…)` asks for: (file of the module, pattern).
wanted_files: Set[Tuple[str, str]] = set()


def want_files(module_file: str, patterns: Sequence[str]) -> None:
    """Files to ship beside a module: patterns with `*`, `?` and `**`, relative to its folder."""
    wanted_files.update((os.path.abspath(module_file), pattern) for pattern in patterns)


def check_function(fn: Callable[..., Any]) -> None:
    """Refuses, when it is decorated, what is no function, or one of a class."""
    name, qualname = getattr(fn, '__name__', ''), getattr(fn, '__qualname__', '')
    if not callable(fn) or not name:
        raise TypeError(f'@work is for functions, and this is {fn!r}')
    around = qualname.rpartition('<locals>.')[2].split('.')[:-1]
    if any(not part.startswith('<') for part in around):  # a lambda may be in a `<listcomp>`
        raise CulmError(
            'work_not_exported',
            f'{qualname} cannot be a work: it is a method of a class',
            'Make it a function outside the class, which takes what it needs of the object.',
        )


def has_module(fn: Callable[..., Any]) -> bool:
    """Whether a worker can import it by the name of its module. One that was typed in, stands inside another function or
    is a lambda has to be captured."""
    if fn.__name__ == '<lambda>' or '<locals>' in fn.__qualname__:
        return False
    scope = _globals_of(fn)
    if SCRIPT_PATH in scope or scope.get('__name__') not in MAIN_MODULES:
        return scope.get('__name__') in sys.modules
    file = getattr(getattr(fn, '__code__', None), 'co_filename', '')
    is_typed = file.startswith('<') and file.endswith('>')
    spec = scope.get('__spec__')
    is_module = spec is not None and spec.name not in MAIN_MODULES
    return not is_typed and (is_module or os.path.isfile(scope.get('__file__') or ''))


def locate(fn: Callable[..., Any], is_same: Callable[[Any], bool]) -> Source:
    """The source of a function; `is_same` tells whether what the module has under its name is this one."""
    scope = _globals_of(fn)
    name = fn.__name__
    if not is_same(scope.get(name)):
        raise _not_exported(f'{fn.__module__}.{name}', 'is not what its module has under that name')
    file = scope.get('__file__')
    if SCRIPT_PATH in scope:
        return Source(scope[SCRIPT_PATH], name, file, True)
    module = scope.get('__name__', '')
    if module not in MAIN_MODULES:
        return Source(module, name, file, False)
    spec = scope.get('__spec__')
    if spec is not None and spec.name != '__main__':
        return Source(spec.name, name, file, False)
    assert file is not None
    return Source(script_path(file), name, os.path.abspath(file), True)


def script_path(file: str) -> str:
    """The path in a bundle under which a script is shipped: it needs a suffix to be importable."""
    base = os.path.basename(file)
    return base if base.endswith('.py') else f'{base}.py'


def _globals_of(fn: Callable[..., Any]) -> Dict[str, Any]:
    """Of the function itself: `sys.modules['__main__']` is another module under a profiler or debugger."""
    from inspect import unwrap

    inner = unwrap(fn)
    found = getattr(inner, '__globals__', None)
    if found is None:
        raise _not_exported(fn.__name__, 'is not written in Python')
    return cast(Dict[str, Any], found)


def _not_exported(what: str, why: str) -> CulmError:
    return CulmError('work_not_exported', f'{what} cannot be a work: it {why}')
