"""Works that no module has: typed into a notebook or at the prompt, nested in another function, or a lambda.

They are captured when they are called: the source of the function, and what it uses by name. Of that, modules become
imports (the user's own are shipped as files), functions and classes of the session are captured in the same way, plain
data goes along as it is now, works stay works. What can be none of these is an error that says which variable it is.
A function inside another one takes the variables of that along; what it uses of its module it finds there, as files.

The result is one document (`_captured.py` has its form), which is a file of a bundle. The same sources and values give
the same text, and so the same bundle: a runner that is warm for it is used again.
"""

from __future__ import annotations
import __future__

import dis
import functools
import hashlib
import inspect
import io
import logging
import marshal
import operator
import os
import re
import sys
import types
import typing
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import (
    TYPE_CHECKING,
    Any,
    Dict,
    FrozenSet,
    Iterator,
    List,
    NamedTuple,
    Optional,
    Sequence,
    Set,
    Tuple,
    Union,
)

from ._captured import MAGIC, Thing
from ._environment import with_texts
from ._errors import CulmError
from ._records import main_module
from ._segments import (
    Segment,
    scope_of_class,
    segment_of_class,
    segment_of_definition,
    segment_of_function,
    statement_code,
)
from ._source import CAPTURED_MODULE, MAIN_MODULES, has_module
from ._values import Encoded, encode

if TYPE_CHECKING:
    from ._work import Work

#: Values whose text is longer lie in a file of their own, which is sent again only when it changes.
_MAX_TEXT_INSIDE = 64_000
#: What is larger is no part of the code; as an argument it may have up to 1 GB.
_MAX_TEXT = 40_000_000
#: The session has its own of these, and the worker too.
_NOT_CAPTURED = frozenset({'__name__', '__file__', '__builtins__', '__doc__', '__spec__', '__loader__', '__package__'})


class Captured(NamedTuple):
    """What a bundle is made of: `files` by their paths in it, and the names of the `modules` that it imports.

    `folder` and `patterns` are what `@work(files=…)` asks for. `identity` is the name of the work in journals.
    """

    module: str
    export: str
    identity: str
    digest: str
    files: Dict[str, bytes]
    modules: FrozenSet[str]
    folder: str
    patterns: Tuple[str, ...]


def capture(work: Work[Any, Any], arguments: Sequence[Any] = ()) -> Captured:
    """Captures a work as it is now, with the classes of the session that its arguments are made of.

    Raises CulmError `capture_failed`, naming the variable, for what cannot go along.
    """
    work = work._base
    capturing = _Capture(work)
    capturing.exported(work)
    for kind in _kinds_in(arguments):
        capturing.class_of_session(kind)
    text = capturing.text()
    digest = hashlib.sha256(text.encode('utf-8')).hexdigest()
    scope = work.fn.__globals__
    identity = f'{scope.get("__name__")}#{work.fn.__qualname__}:{digest[:40]}'
    folder = os.path.dirname(os.path.abspath(scope.get('__file__') or 'session'))
    patterns = () if _home_of(scope) else work.files
    files = {CAPTURED_MODULE: text.encode('utf-8'), **capturing.files}
    export = capturing.exports[id(work)]
    return Captured(CAPTURED_MODULE, export, identity, digest, files, frozenset(capturing.modules), folder, patterns)


class _Capture:
    def __init__(self, work: Work[Any, Any]) -> None:
        self._name = work.name
        self._things: List[Thing] = []
        self._places: Dict[int, int] = {}
        #: What `_places` names by its id must live as long.
        self._kept: List[Any] = []
        self._segments: List[Segment] = []
        self._spaces: List[Dict[str, Any]] = [vars(main_module())]
        self._names: List[Dict[str, int]] = [{}]
        #: The functions that are being captured, from the work inwards: for what is said of an error.
        self._way: List[str] = []
        self.exports: Dict[int, str] = {}
        self.modules: Set[str] = set()
        self.files: Dict[str, bytes] = {}

    def text(self) -> str:
        exports = {name: self._places[work] for work, name in self.exports.items()}
        segments = [list(segment) for segment in self._segments]
        document = {'things': self._things, 'segments': segments, 'spaces': self._names, 'exports': exports}
        return encode(document)

    def exported(self, work: Work[Any, Any]) -> int:
        """A work, under a name that no other of the document has."""
        taken = set(self.exports.values())
        name = 'lambda' if work.fn.__name__ == '<lambda>' else work.fn.__name__
        self.exports[id(work)] = next(
            n for n in (name, *(f'{name}:{i}' for i in range(2, len(taken) + 3))) if n not in taken
        )
        return self._work(work)

    def class_of_session(self, kind: type) -> None:
        self._bind(0, kind.__qualname__, kind, f'the class `{kind.__qualname__}`')

    # Things

    def _thing(self, value: Any, what: str, space: int) -> int:
        """The place of the thing that a value is. `what`: how errors call it; `space`: of who uses it."""
        if id(value) in self._places:
            return self._places[id(value)]
        own = self._own(value, what, space)
        if own is None:
            own = self._data(value, what, space)
        if own is None:
            own = self._found(value)
        if own is None:
            raise self._refused(value, what)
        return own

    def _own(self, value: Any, what: str, space: int) -> Optional[int]:
        """What is more than data: works, modules, functions, classes."""
        from ._work import Work

        if isinstance(value, Encoded):  # a call: where its value lies is only known to arguments
            raise self._refused(value, what)
        if isinstance(value, ModuleType):
            return self._module(value, what)
        if isinstance(value, (FunctionType, type, Work)) or callable(value):
            path = _import_path(value)
            if path:
                return self._attribute(value, *path)
        if isinstance(value, Work):
            return self._work(value) if has_module(value.fn) else self.exported(value)
        if isinstance(value, _workflow_function()):
            return self._add(value, {'is': 'workflow', 'name': value.name}, function=(value.fn, what, space))
        if hasattr(value, '__wrapped__') and not self._is_of_session(value):
            decorated = self._decorated(value)
            if decorated is not None:
                return decorated
        if isinstance(value, FunctionType):
            return self._function(value)
        if isinstance(value, type):
            return self._class(value, space)
        return self._called(value, space)

    def _add(self, value: Any, thing: Thing, **parts: Tuple[Any, str, int]) -> int:
        """Its place is known before its parts are captured, which may use it in turn."""
        place = len(self._things)
        self._things.append(thing)
        self._places[id(value)] = place
        self._kept.append(value)
        thing.update({name: self._thing(*part) for name, part in parts.items()})
        return place

    def _module(self, module: ModuleType, what: str) -> int:
        if sys.modules.get(module.__name__) is not module or module.__name__ in MAIN_MODULES:
            raise self._refused(module, what)
        self._ship(module.__name__)
        return self._add(module, {'is': 'module', 'name': module.__name__})

    def _attribute(self, value: Any, module: str, name: str) -> int:
        self._ship(module)
        return self._add(value, {'is': 'attribute', 'module': module, 'name': name})

    def _ship(self, module: str) -> None:
        self.modules.add(module.partition('.')[0])

    def _work(self, work: Work[Any, Any]) -> int:
        if work._after:
            why = f'`{self._name}` uses the work `{work.name}`, which is to run after other calls'
            raise CulmError('capture_failed', why, 'Use `with_options(after=…)` where it is called.')
        environment = with_texts(work._environment, work.fn)
        options = {'options': work.options, 'environment': environment, 'pickled': work.pickled}
        options['export'] = self.exports.get(id(work))
        function = (work.fn, f'the work `{work.name}`', 0)
        return self._add(work, {'is': 'work', 'name': work.name, **options}, function=function)

    def _function(self, fn: FunctionType) -> int:
        code, scope = fn.__code__, fn.__globals__
        home = _home_of(scope)
        space = -1 if home else self._space(scope)
        thing: Thing = {
            'is': 'function',
            'name': fn.__name__,
            'qualname': fn.__qualname__,
            'home': home,
            'space': space,
        }
        thing.update(self._code(fn))
        place = self._add(fn, thing)
        self._way.append(fn.__name__)
        thing['cells'] = self._cells(fn, space)
        thing['defaults'] = [self._thing(v, f'a default of `{fn.__name__}`', space) for v in fn.__defaults__ or ()]
        named = (fn.__kwdefaults__ or {}).items()
        thing['kwdefaults'] = {n: self._thing(v, f'the default of `{n}`', space) for n, v in named}
        for name in _imports(code):
            self._ship(name)
        if home:
            self._ship(home)
        thing['uses'] = [] if home else self._bind_used(space, _globals_used(code))
        self._way.pop()
        return place

    def _code(self, fn: FunctionType) -> Thing:
        """Its source; where there is none (a prompt before Python 3.13, `python -c`) the code itself, which needs the
        same version of Python on the worker."""
        code, segment = fn.__code__, segment_of_function(fn)
        if segment is None:
            return {'segment': None, 'magic': MAGIC, 'code': marshal.dumps(code)}
        form = {'code_name': code.co_name, 'free': list(code.co_freevars), 'flags': code.co_flags}
        return {'segment': self._segment(segment), **form}

    def _cells(self, fn: FunctionType, space: int) -> Dict[str, int]:
        found: Dict[str, int] = {}
        for name, cell in zip(fn.__code__.co_freevars, fn.__closure__ or ()):
            try:
                value = cell.cell_contents
            except ValueError:  # not assigned yet
                continue
            found[name] = self._thing(value, f'the variable `{name}` of the function around it', space)
        return found

    def _class(self, kind: type, space: int) -> Optional[int]:
        if '.' in kind.__qualname__:
            why = f'`{self._name}` uses the class `{kind.__qualname__}`, which is defined inside something else'
            raise CulmError('capture_failed', why, 'Define it at the top level of a cell or a file.')
        segment = segment_of_class(kind)
        if segment is None:
            return self._made_class(kind, space)
        return self._definition(kind, kind.__name__, segment, _flags_of_class(kind), scope_of_class(kind))

    def _made_class(self, kind: Any, space: int) -> Optional[int]:
        """One that a call has made: `namedtuple('Point', 'x y')`, `Enum('Colour', 'RED GREEN')`."""
        if issubclass(kind, tuple) and hasattr(kind, '_field_defaults'):
            from collections import namedtuple

            named = {'defaults': list(kind._field_defaults.values()), 'module': '__main__'}
            return self._call(kind, namedtuple, [kind.__name__, list(kind._fields)], named, space)
        if issubclass(kind, sys.modules['enum'].Enum):
            members = [(name, member.value) for name, member in kind.__members__.items()]
            return self._call(kind, kind.__base__, [kind.__name__, members], {'module': '__main__'}, space)
        return None

    def _decorated(self, value: Any) -> Optional[int]:
        """What a decorator of some package has made of a function: the decorator is called again on the worker."""
        inner = inspect.unwrap(value)
        if not isinstance(inner, FunctionType) or '<locals>' in inner.__qualname__:
            return None
        segment, flags = segment_of_definition(inner), inner.__code__.co_flags
        return self._definition(value, inner.__name__, segment, flags, inner.__globals__) if segment else None

    def _definition(self, value: Any, name: str, segment: Segment, flags: int, scope: Dict[str, Any]) -> int:
        code = statement_code(segment, flags)
        space = self._space(scope)
        thing: Thing = {'is': 'definition', 'name': name, 'segment': self._segment(segment), 'flags': flags}
        thing['space'] = space
        place = self._add(value, thing)
        self._way.append(name)
        needs = [used for used in _globals_needed(code) if used != name]
        thing['needs'] = self._bind_used(space, needs)
        thing['uses'] = self._bind_used(space, [used for used in _globals_used(code) if used not in needs])
        for module in _imports(code):
            self._ship(module)
        self._way.pop()
        return place

    def _called(self, value: Any, space: int) -> Optional[int]:
        """What can be made again by calling what made it."""
        if isinstance(value, functools.partial):
            return self._call(value, functools.partial, [value.func, *value.args], value.keywords, space)
        if isinstance(value, re.Pattern):
            return self._call(value, re.compile, [value.pattern, value.flags], {}, space)
        if isinstance(value, logging.Logger):
            return self._call(value, logging.getLogger, [value.name], {}, space)
        if isinstance(value, typing.TypeVar):
            bounds = {'bound': value.__bound__} if value.__bound__ else {}
            return self._call(value, typing.TypeVar, [value.__name__, *value.__constraints__], bounds, space)
        if isinstance(value, (range, slice)):
            return self._call(value, type(value), [value.start, value.stop, value.step], {}, space)
        origin = typing.get_origin(value)  # of list[int], Optional[int] …
        if origin is not None:
            generic = Union if isinstance(value, getattr(types, 'UnionType', ())) else origin
            return self._call(value, operator.getitem, [generic, typing.get_args(value)], {}, space)
        return None

    def _call(self, value: Any, function: Any, args: List[Any], kwargs: Dict[str, Any], space: int) -> int:
        what = f'a part of `{getattr(value, "__name__", type(value).__name__)}`'
        parts = [self._thing(arg, what, space) for arg in args]
        named = {name: self._thing(arg, what, space) for name, arg in kwargs.items()}
        return self._add(value, {'is': 'call', 'args': parts, 'kwargs': named}, function=(function, what, space))

    def _data(self, value: Any, what: str, space: int) -> Optional[int]:
        """Plain data as it is now, or a container of other things."""
        try:
            text = encode(value)
        except CulmError as error:
            if error.code != 'value_unsupported':
                raise
            return self._container(value, what, space)
        thing: Thing = {'is': 'value', 'text': text, 'classes': []}
        if len(text) > _MAX_TEXT:
            raise self._too_large(len(text), what)
        if len(text) > _MAX_TEXT_INSIDE:
            content = text.encode('utf-8')
            thing.update(text=None, file=f'__culm_values__/{hashlib.sha256(content).hexdigest()}.json')
            self.files[thing['file']] = content
        place = self._add(value, thing)
        for kind in _kinds_in([value]) if '"module":"__main__"' in text else ():
            self.class_of_session(kind)
            thing['classes'].append(kind.__qualname__)
        return place

    def _container(self, value: Any, what: str, space: int) -> Optional[int]:
        kind = type(value)
        if kind not in (list, tuple, set, dict):
            return None
        thing: Thing = {'is': kind.__name__, 'items': []}
        place = self._add(value, thing)
        if kind is dict:
            items = ((k, self._thing(v, f'{what}, at {k!r}', space)) for k, v in value.items())
            thing['items'] = [[self._thing(k, f'a key of {what}', space), place] for k, place in items]
        else:
            thing['items'] = [self._thing(v, f'{what}, at {i}', space) for i, v in enumerate(value)]
        return place

    def _found(self, value: Any) -> Optional[int]:
        """What some module has under its name, though it does not say so itself."""
        name = getattr(value, '__name__', None) or getattr(value, '_name', None)
        if not isinstance(name, str):
            return None
        for module_name, module in list(sys.modules.items()):
            if module_name not in MAIN_MODULES and getattr(module, '__dict__', {}).get(name, self) is value:
                return self._attribute(value, module_name, name)
        return None

    # Names

    def _space(self, scope: Dict[str, Any]) -> int:
        for place, known in enumerate(self._spaces):
            if known is scope:
                return place
        self._spaces.append(scope)
        self._names.append({})
        return len(self._spaces) - 1

    def _bind_used(self, space: int, names: Sequence[str]) -> List[str]:
        """Those that are built in, or are not there (yet), are left to the worker."""
        scope = self._spaces[space]
        used = [name for name in names if name in scope and name not in _NOT_CAPTURED]
        for name in used:
            self._bind(space, name, scope[name], f'the global variable `{name}`')
        return used

    def _bind(self, space: int, name: str, value: Any, what: str) -> None:
        if name not in self._names[space]:
            self._names[space][name] = -1
            self._names[space][name] = self._thing(value, what, space)

    def _segment(self, segment: Segment) -> int:
        if segment not in self._segments:
            self._segments.append(segment)
        return self._segments.index(segment)

    def _is_of_session(self, value: Any) -> bool:
        """A function whose own code was typed in or stands in the script, whatever it is wrapped around."""
        return isinstance(value, FunctionType) and _home_of(value.__globals__) is None

    def _refused(self, value: Any, what: str) -> CulmError:
        inside = [name for name in self._way[1:] if name != self._name]
        through = f' (by way of {", ".join(f"`{name}`" for name in inside)})' if inside else ''
        kind = type(value)
        name = kind.__qualname__ if kind.__module__ == 'builtins' else f'{kind.__module__}.{kind.__qualname__}'
        why = f'`{self._name}` uses {what}{through}, which is a {name} and cannot be sent to another process'
        return CulmError('capture_failed', why, _remedy(value))

    def _too_large(self, length: int, what: str) -> CulmError:
        why = f'`{self._name}` uses {what}, which is {length / 1e6:.0f} MB of text, more than the {_MAX_TEXT / 1e6:.0f} MB for that'
        return CulmError(
            'capture_failed', why, 'Pass it as an argument; a named one of a map is sent once for all jobs.'
        )


def _remedy(value: Any) -> str:
    kind = type(value)
    if isinstance(value, Encoded):
        return 'Pass it as an argument, where it stands for its value.'
    if isinstance(value, io.IOBase):
        return 'Open it inside the function, by its path.'
    if hasattr(value, '__next__'):
        return 'Make a list of it, or make it inside the function.'
    if isinstance(value, MethodType):
        return 'Call the method inside the function, on an object that is made there.'
    if isinstance(value, type):
        return 'Put it into a module (a .py file), and import it.'
    if kind.__module__ in MAIN_MODULES:
        return f'Make `{kind.__qualname__}` a dataclass, or make the object inside the function.'
    return 'Make it inside the function, or pass what is needed of it as an argument.'


def _home_of(scope: Dict[str, Any]) -> Optional[str]:
    """The module that a worker can import, whose variables these are."""
    name = scope.get('__name__')
    module = sys.modules.get(name) if isinstance(name, str) and name not in MAIN_MODULES else None
    return name if module is not None and vars(module) is scope else None


def _import_path(value: Any) -> Optional[Tuple[str, str]]:
    """Module and name under which a worker can import it."""
    module, name = getattr(value, '__module__', None), getattr(value, '__qualname__', None)
    if not isinstance(module, str) or not isinstance(name, str) or module in MAIN_MODULES:
        return None
    found: Any = sys.modules.get(module)
    for part in name.split('.'):
        found = getattr(found, part, None)
    return (module, name) if found is value else None


def _flags_of_class(kind: type) -> int:
    """What a future import has set where it was defined, as far as it shows."""
    annotations = vars(kind).get('__annotations__', {}).values()
    return __future__.annotations.compiler_flag if annotations and all(isinstance(a, str) for a in annotations) else 0


def _workflow_function() -> Any:
    """A program that has no workflow function has not imported their module."""
    return getattr(sys.modules.get('culm._workflow'), 'WorkflowFunction', ())


def _kinds_in(values: Any, depth: int = 20) -> Iterator[type]:
    """The classes of the session that data is made of."""
    for value in values:
        kind = type(value)
        if kind.__module__ in MAIN_MODULES and '.' not in kind.__qualname__:
            yield kind
        if isinstance(value, (list, tuple, set, frozenset)) and depth:
            yield from _kinds_in(value, depth - 1)
        elif isinstance(value, dict) and depth:
            yield from _kinds_in([*value.keys(), *value.values()], depth - 1)
        elif hasattr(kind, '__dataclass_fields__') and depth:
            yield from _kinds_in(vars(value).values() if hasattr(value, '__dict__') else (), depth - 1)


# What code uses

_BY_NAME = frozenset({'LOAD_GLOBAL', 'LOAD_NAME', 'STORE_GLOBAL', 'DELETE_GLOBAL', 'LOAD_FROM_DICT_OR_GLOBALS'})


@functools.lru_cache(maxsize=1024)
def _globals_used(code: CodeType) -> Tuple[str, ...]:
    """Names of the global variables that code uses, that of functions inside it too, in the order of the source."""
    names = {i.argval: None for i in dis.get_instructions(code) if i.opname in _BY_NAME}
    for inner in _inner(code):
        names.update(dict.fromkeys(_globals_used(inner)))
    return tuple(names)


def _globals_needed(code: CodeType) -> List[str]:
    """Those that a definition needs when it is run: of decorators, bases, defaults, the body of a class."""
    names = {i.argval: None for i in dis.get_instructions(code) if i.opname in _BY_NAME}
    for inner in _inner(code):
        name = inner.co_name
        if (
            not inner.co_flags & inspect.CO_OPTIMIZED
            or (name.startswith('<') and name != '<lambda>')
            or name == '__annotate__'
        ):
            names.update(dict.fromkeys(_globals_needed(inner)))
    return list(names)


@functools.lru_cache(maxsize=1024)
def _imports(code: CodeType) -> Tuple[str, ...]:
    """The modules that code imports while it runs."""
    names = {i.argval: None for i in dis.get_instructions(code) if i.opname == 'IMPORT_NAME' and i.argval}
    for inner in _inner(code):
        names.update(dict.fromkeys(_imports(inner)))
    return tuple(names)


def _inner(code: CodeType) -> Iterator[CodeType]:
    return (const for const in code.co_consts if isinstance(const, CodeType))
