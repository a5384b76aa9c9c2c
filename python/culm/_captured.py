"""What was captured (`_capture.py`), made again on a worker: a module like the session or script that it comes from.

The document is a list of *things* (functions, classes, values, imports …) that name each other by their place in it,
and *spaces*: for each set of global variables that a captured function has, the names in it and the things that they
mean. The first space is that of the program's first module.
"""

from __future__ import annotations

import base64
import builtins
import importlib
import importlib.util
import marshal
import os
import sys
from types import CellType, CodeType, FunctionType, ModuleType
from typing import Any, Callable, Dict, List, Set, Tuple

from ._errors import CulmError
from ._segments import Segment, function_code, show_in_tracebacks, statement_code
from ._source import CAPTURED_MODULE, SCRIPT_MODULE, Source
from ._values import decode

Thing = Dict[str, Any]

#: What code that travels as it was compiled is good for: it changes with the minor version of Python.
MAGIC = base64.b64encode(importlib.util.MAGIC_NUMBER).decode()


def load_captured(folder: str) -> ModuleType:
    """The module of the document in this folder: its works by the names under which they are called."""
    path = os.path.join(folder, CAPTURED_MODULE)
    with open(path, encoding='utf-8') as file:
        document = decode(file.read())
    main = ModuleType(SCRIPT_MODULE)
    main.__file__ = path
    sys.modules[SCRIPT_MODULE] = main
    try:
        made = _Making(document, main, folder)
        module = ModuleType(CAPTURED_MODULE)
        vars(module).update({name: made.thing(place) for name, place in document['exports'].items()})
        made.everything()
    except BaseException:
        del sys.modules[SCRIPT_MODULE]
        raise
    return module


class _Making:
    def __init__(self, document: Dict[str, Any], main: ModuleType, folder: str) -> None:
        self._things: List[Thing] = document['things']
        self._segments = [Segment(*segment) for segment in document['segments']]
        self._names: List[Dict[str, int]] = document['spaces']
        others = ({'__name__': main.__name__, '__builtins__': builtins} for _ in self._names[1:])
        self._spaces: List[Dict[str, Any]] = [vars(main), *others]
        self._folder = folder
        self._made: Dict[int, Any] = {}
        self._binding: Set[Tuple[int, str]] = set()
        show_in_tracebacks(self._segments)

    def everything(self) -> None:
        for space, names in enumerate(self._names):
            for name in names:
                self._bind(space, name)

    def thing(self, place: int) -> Any:
        if place not in self._made:
            thing = self._things[place]
            make: Callable[[int, Thing], Any] = getattr(self, f'_make_{thing["is"]}')
            self._made[place] = make(place, thing)
        return self._made[place]

    def _bind(self, space: int, name: str) -> None:
        """Gives a global variable its value, unless that is under way."""
        if (space, name) not in self._binding:
            self._binding.add((space, name))
            self._spaces[space][name] = self.thing(self._names[space][name])

    def _bind_all(self, thing: Thing, names: str) -> None:
        for name in thing[names]:
            self._bind(thing['space'], name)

    def _make_module(self, _: int, thing: Thing) -> Any:
        return importlib.import_module(thing['name'])

    def _make_attribute(self, _: int, thing: Thing) -> Any:
        found: Any = importlib.import_module(thing['module'])
        for part in thing['name'].split('.'):
            found = getattr(found, part)
        return found

    def _make_value(self, _: int, thing: Thing) -> Any:
        for name in thing['classes']:
            self._bind(0, name)
        text = thing['text']
        if text is None:
            with open(os.path.join(self._folder, thing['file']), encoding='utf-8') as file:
                text = file.read()
        return decode(text)

    def _make_function(self, place: int, thing: Thing) -> Any:
        """It is there before what it uses is, since that may use it in turn."""
        scope = vars(importlib.import_module(thing['home'])) if thing['home'] else self._spaces[thing['space']]
        code = self._code(thing)
        cells = {name: CellType() for name in code.co_freevars}
        made = FunctionType(code, scope, thing['name'], None, tuple(cells.values()))
        made.__qualname__ = thing['qualname']
        made.__module__ = scope['__name__']
        self._made[place] = made
        for name, part in thing['cells'].items():
            cells[name].cell_contents = self.thing(part)
        made.__defaults__ = tuple(map(self.thing, thing['defaults'])) or None
        made.__kwdefaults__ = {name: self.thing(part) for name, part in thing['kwdefaults'].items()}
        self._bind_all(thing, 'uses')
        return made

    def _code(self, thing: Thing) -> CodeType:
        if thing['segment'] is not None:
            return function_code(self._segments[thing['segment']], thing['code_name'], thing['free'], thing['flags'])
        if thing['magic'] != MAGIC:
            python = f'Python {sys.version_info.major}.{sys.version_info.minor}'
            why = f'the source of {thing["name"]} was not to be had, and its code is not for {python}'
            help = (
                'Put it into a file or an IPython cell, or run it where the same version of Python is (queue="local").'
            )
            raise CulmError('capture_failed', why, help)
        return marshal.loads(thing['code'])  # type: ignore[no-any-return]

    def _make_definition(self, place: int, thing: Thing) -> Any:
        """Runs a class statement, or the definition of a function with its decorators, as it stands in the source."""
        self._bind_all(thing, 'needs')
        space = self._spaces[thing['space']]
        made: Dict[str, Any] = {}
        exec(statement_code(self._segments[thing['segment']], thing['flags']), space, made)
        self._made[place] = made[thing['name']]
        self._bind_all(thing, 'uses')
        return self._made[place]

    def _make_work(self, place: int, thing: Thing) -> Any:
        from ._work import Work

        fn = self.thing(thing['function'])
        made = self._made[place] = Work(fn, thing['name'], (), {}, 'pickle' if thing['pickled'] else None)
        made.options = thing['options']
        made._environment = thing['environment']
        if thing['export']:
            made._source = Source(CAPTURED_MODULE, thing['export'], None, False)
        return made

    def _make_workflow(self, _: int, thing: Thing) -> Any:
        from ._workflow import WorkflowFunction

        return WorkflowFunction(self.thing(thing['function']), thing['name'], None)

    def _make_call(self, _: int, thing: Thing) -> Any:
        args, kwargs = map(self.thing, thing['args']), thing['kwargs'].items()
        return self.thing(thing['function'])(*args, **{name: self.thing(part) for name, part in kwargs})

    def _make_list(self, place: int, thing: Thing) -> Any:
        made: List[Any] = []
        self._made[place] = made
        made.extend(map(self.thing, thing['items']))
        return made

    def _make_tuple(self, _: int, thing: Thing) -> Any:
        return tuple(map(self.thing, thing['items']))

    def _make_set(self, _: int, thing: Thing) -> Any:
        return set(map(self.thing, thing['items']))

    def _make_dict(self, place: int, thing: Thing) -> Any:
        made: Dict[Any, Any] = {}
        self._made[place] = made
        made.update((self.thing(key), self.thing(part)) for key, part in thing['items'])
        return made
