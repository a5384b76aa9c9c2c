"""Instances of the user's own classes as plain data: dataclasses, enumerations, named tuples.

They travel as the name of their class and what is in them. Where that class can be imported, and still has these
fields, they arrive as its instances, made without calling anything of it; elsewhere as something that looks the same: a
`Record`, or a named tuple of a class made for it.
"""

from __future__ import annotations

import functools
import importlib
import sys
from typing import TYPE_CHECKING, Any, Callable, Dict, Optional, Sequence, Tuple, cast

from ._source import MAIN_MODULES, SCRIPT_MODULE

#: Makes plain data of a part: (value, where it is).
ToPlain = Callable[[Any, str], Any]


class Record:
    """What came of a class that cannot be imported here: its attributes, under the name of its class.

    Of an instance of a dataclass its attributes; of a member of an enumeration `name` and `value`. Sent on it is what it
    was.
    """

    __slots__ = ('__culm_fields__', '__culm_type__', '__dict__')

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...

    def __init__(
        self, tag: str, module: str, name: str, fields: Dict[str, Any], more: Optional[Dict[str, Any]] = None
    ) -> None:
        self.__culm_type__: Tuple[str, str, str] = (tag, module, name)
        self.__culm_fields__ = frozenset(fields)
        self.__dict__.update({**fields, **(more or {})})

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Record):
            return NotImplemented
        return self.__culm_type__ == other.__culm_type__ and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash((self.__culm_type__, tuple(self.__dict__.items())))

    def __repr__(self) -> str:
        _, module, name = self.__culm_type__
        shown = ', '.join(f'{key}={value!r}' for key, value in self.__dict__.items())
        return f'<record of {module}.{name}: {shown}>'


def to_plain(value: Any, place: str, plain: ToPlain) -> Optional[Tuple[str, Dict[str, Any]]]:
    """Tag and `v` of an instance of such a class; None for anything else."""
    kind = type(value)
    if kind is Record:
        tag, module, name = value.__culm_type__
        return tag, {'module': module, 'name': name, **_parts_of_record(value, place, plain)}
    if isinstance(value, sys.modules['enum'].Enum):
        member = {'member': value.name, 'value': plain(value.value, f'{place}.value')}
        return 'enum', {**_named(kind), **member}
    if hasattr(kind, '__dataclass_fields__'):
        return 'dataclass', {**_named(kind), **_parts_of_instance(value, place, plain)}
    if isinstance(value, tuple) and isinstance(getattr(kind, '_fields', None), tuple):
        items = [plain(item, f'{place}.{name}') for name, item in zip(kind._fields, value)]
        return 'namedtuple', {**_named(kind), 'fields': list(kind._fields), 'items': items}
    return None


def _parts_of_record(record: Record, place: str, plain: ToPlain) -> Dict[str, Any]:
    if record.__culm_type__[0] == 'enum':
        return {'member': record.name, 'value': plain(record.value, f'{place}.value')}
    fields = {name: value for name, value in vars(record).items() if name in record.__culm_fields__}
    return _fields_and_more(fields, vars(record), place, plain)


def _parts_of_instance(value: Any, place: str, plain: ToPlain) -> Dict[str, Any]:
    """Its fields, and what else was set. A field that was never set, as of `init=False`, is left out."""
    from dataclasses import fields

    names = [field.name for field in fields(value)]
    found = {name: getattr(value, name) for name in names if hasattr(value, name)}
    return _fields_and_more(found, getattr(value, '__dict__', {}), place, plain)


def _fields_and_more(fields: Dict[str, Any], every: Dict[str, Any], place: str, plain: ToPlain) -> Dict[str, Any]:
    def parts(attributes: Dict[str, Any]) -> Dict[str, Any]:
        return {name: plain(value, f'{place}.{name}') for name, value in attributes.items()}

    told = {'fields': parts(fields)}
    more = parts({name: value for name, value in every.items() if name not in fields})
    return {**told, 'more': more} if more else told


def _named(kind: type) -> Dict[str, str]:
    return {'module': module_sent(kind.__module__), 'name': kind.__qualname__}


def read_dataclass(v: Dict[str, Any]) -> Any:
    kind, fields, more = find_class(v['module'], v['name']), v['fields'], v.get('more', {})
    known = getattr(kind, '__dataclass_fields__', None)
    if kind is None or known is None or not set(fields) <= set(known):
        return Record('dataclass', v['module'], v['name'], fields, more)
    try:
        made: Any = object.__new__(kind)
    except TypeError:  # it has a built-in type below it
        return Record('dataclass', v['module'], v['name'], fields, more)
    for name, value in (*fields.items(), *more.items()):
        object.__setattr__(made, name, value)
    return made


def read_enum(v: Dict[str, Any]) -> Any:
    kind = find_class(v['module'], v['name'])
    if isinstance(kind, sys.modules['enum'].EnumMeta):
        if v['member'] in kind.__members__:
            return kind.__members__[v['member']]
        try:
            return kind(v['value'])  # several flags together have no member of their own
        except ValueError:
            pass
    return Record('enum', v['module'], v['name'], {'name': v['member'], 'value': v['value']})


def read_namedtuple(v: Dict[str, Any]) -> Any:
    kind, fields = find_class(v['module'], v['name']), tuple(v['fields'])
    if kind is None or not issubclass(kind, tuple) or getattr(kind, '_fields', None) != fields:
        kind = _made_namedtuple(v['module'], v['name'], fields)
    return tuple.__new__(kind, v['items'])


@functools.cache
def _made_namedtuple(module: str, name: str, fields: Sequence[str]) -> type:
    from collections import namedtuple

    made = cast(type, namedtuple(name.rpartition('.')[2], fields, module=module))
    made.__qualname__ = name
    return made


def module_sent(name: str) -> str:
    """The name of a module as others have it: the first one of a program is `__main__`, or what `python -m` said."""
    return _name_of_main() or '__main__' if name in MAIN_MODULES else name


def find_class(module: str, name: str) -> Optional[type]:
    """A class by its name, if its module is here or can be imported."""
    try:
        found: Any = _module_here(module)
        for part in name.split('.'):
            found = getattr(found, part)
    except (Exception, SystemExit):  # an import may raise anything
        return None
    return found if isinstance(found, type) else None


def _module_here(name: str) -> Any:
    if name == '__main__' or name == _name_of_main():
        return main_module()
    return sys.modules.get(name) or importlib.import_module(name)


def main_module() -> Any:
    """The program's first module; on a worker the script that it runs, or what was captured."""
    return sys.modules.get(SCRIPT_MODULE) or sys.modules['__main__']


def _name_of_main() -> Optional[str]:
    spec = getattr(main_module(), '__spec__', None)
    name = getattr(spec, 'name', None)
    return None if name in MAIN_MODULES else name
