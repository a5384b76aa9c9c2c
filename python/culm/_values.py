"""Values cross as JSON text, with tags for what JSON lacks: `{"$culm": tag, "v": …}`.

The same forms are in `src/contract/values.ts`, and `fixtures/values.json` holds both to them.

| tag | Python | v |
|---|---|---|
| float | nan, inf, -inf | "NaN", "Infinity", "-Infinity" |
| int | int beyond 2^53 | decimal text |
| tuple, set, frozenset | the same | list; of sets, sorted by the text of the items: equal sets have equal text |
| bytes | bytes, bytearray | base64 |
| complex | complex | [real, imaginary] |
| datetime, date, time | the same | ISO 8601; without a zone when it has none, `Z` for UTC |
| timedelta | the same | [days, seconds, microseconds] |
| map | dict with keys that are no text, or with a key `$culm` | [[key, value] …] |
| array | numpy.ndarray | {"dtype", "shape", "data"}: base64 of the little-endian bytes in C order |
| scalar | numpy.float32 … | {"dtype", "value"} |
| decimal, fraction, uuid | Decimal, Fraction, UUID | text |
| path | pathlib.PurePath | [kind, text] |
| dataclass | an instance of one | {"module", "name", "fields"}, and "more" when it has further attributes |
| enum | a member of one | {"module", "name", "member", "value"} |
| namedtuple | an instance of one | {"module", "name", "fields", "items"} |
| pandas | DataFrame, Series, Index, Timestamp … | {"kind", …}: tables as base64 of an Arrow IPC stream |
| stored | the value of another call, as an argument | {"blob", "bytes"}: where its text lies; fetched by who reads it |
| pickle | anything, of works with `codec='pickle'` | {"python": "3.11", "data": base64} |

Floats keep their form (1.0 stays 1.0). A subclass of a built-in type (OrderedDict …) arrives as the type itself, unless
it is a class of the last rows. Everything else is refused, and the error names its place. NumPy, pandas and the modules
of the other classes are never imported to encode.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import math
import re
import sys
from functools import partial
from typing import Any, Callable, Collection, Dict, FrozenSet, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple

from . import _library, _records
from ._errors import CulmError

#: The largest integer that every language reads exactly: JavaScript's numbers are doubles.
_MAX_INT = 2**53

_ATOMS: Set[type] = {str, bool, type(None)}
_LONE_SURROGATE = re.compile('[\ud800-\udfff]')


class Reading(NamedTuple):
    """How texts are read. `fetch` gives the text of a stored value by its hash; `pickled`: the work says that it takes
    pickles."""

    fetch: Optional[Callable[[str], str]] = None
    pickled: bool = False


class Encoded:
    """What knows the plain data that stands for it: the value of another call, as it came."""

    plain: Any


def encode(value: Any, place: str = 'the value', pickled: bool = False) -> str:
    """The JSON text of a value. Raises CulmError `value_unsupported`, naming the place, for what cannot be sent.

    With `pickled`, what is not plain data is pickled.
    """
    return _write(lambda: _whole(value, place, pickled), place)


def encode_arguments(
    args: Sequence[Any], kwargs: Mapping[str, Any], pickled: bool = False, context: Any = None
) -> str:
    """The text of the arguments of a call, `{"a": [positional], "k": {named}}`; named ones in order of their names.
    `"c"` is what shall be known around the function and is no argument of it (`Scope.context`)."""

    def plain() -> Dict[str, Any]:
        form: Dict[str, Any] = {'a': [_whole(v, f'argument {i + 1}', pickled) for i, v in enumerate(args)]}
        if kwargs:
            form['k'] = {name: _whole(kwargs[name], f'argument {name}', pickled) for name in sorted(kwargs)}
        if context is not None:
            form['c'] = _whole(context, 'the context', pickled)
        return form

    return _write(plain, 'an argument')


def _whole(value: Any, place: str, pickled: bool) -> Any:
    if _is_plain(value):
        return value
    if pickled and not isinstance(value, Encoded):
        from . import _pickles

        return _tag('pickle', _pickles.to_plain(value, place))
    return _to_plain(value, place, set())


def decode(text: str, reading: Reading = Reading()) -> Any:
    """The value that a text stands for."""
    return json.loads(text, object_hook=partial(_untag, reading)) if '"$culm"' in text else json.loads(text)


def _write(plain: Callable[[], Any], place: str) -> str:
    """Without spaces, other than ASCII as it is, lone surrogates escaped: as JavaScript writes it."""
    try:
        text = _dumps(plain())
    except CulmError:  # that of a call which is an argument may be a ValueError too
        raise
    except RecursionError:
        raise _unsupported(place, 'contains itself, or is nested too deeply') from None
    except ValueError as error:  # int to text: Python refuses more than 4,300 digits
        raise _unsupported(place, str(error)) from None
    return text if text.isascii() else _LONE_SURROGATE.sub(lambda m: f'\\u{ord(m.group()):04x}', text)


_dumps = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(',', ':')).encode


def _is_plain(value: Any) -> bool:
    """Whether JSON has it as it is. Looks at the set of types of a list first: a long list of numbers costs little."""
    kind = type(value)
    if kind is float:
        return math.isfinite(value)
    if kind is int:
        return bool(-_MAX_INT <= value <= _MAX_INT)
    if kind is list:
        return _are_plain(value)
    if kind is dict:
        return set(map(type, value)) <= {str} and '$culm' not in value and _are_plain(value.values())
    return kind in _ATOMS


def _are_plain(values: Collection[Any]) -> bool:
    kinds = set(map(type, values))
    if kinds == {float}:
        return all(map(math.isfinite, values))
    if kinds == {int}:
        return bool(min(values) >= -_MAX_INT and max(values) <= _MAX_INT)
    return kinds <= _ATOMS or all(map(_is_plain, values))


def _to_plain(value: Any, place: str, above: Set[int]) -> Any:
    numpy = sys.modules.get('numpy')
    if numpy is not None and isinstance(value, (numpy.ndarray, numpy.generic)):
        return _numpy_to_plain(numpy, value, place)
    tagged = _of_other_class(value, place, above)
    if tagged is not None:
        return _tag(*tagged)
    if value is None or isinstance(value, (str, bool)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else _tag('float', _FLOAT_NAMES.get(value, 'NaN'))
    if isinstance(value, int):
        return value if -_MAX_INT <= value <= _MAX_INT else _tag('int', int.__repr__(value))
    if isinstance(value, (bytes, bytearray)):
        return _tag('bytes', base64.b64encode(value).decode())
    if isinstance(value, complex):
        return _tag('complex', [_to_plain(value.real, place, above), _to_plain(value.imag, place, above)])
    if isinstance(value, (dt.date, dt.time, dt.timedelta)):
        return _time_to_plain(value, place)
    if isinstance(value, (list, tuple, dict, set, frozenset)):
        return _within(value, place, above, _container_to_plain)
    if isinstance(value, Encoded):
        return value.plain
    raise _unsupported(place, f'is a {_type_name(value)}')


def _of_other_class(value: Any, place: str, above: Set[int]) -> Optional[Tuple[str, Any]]:
    """Tag and `v` of what is none of the built-in types, though it may be made from one."""
    if type(value) in _BUILT_IN:
        return None

    def plain(part: Any, place: str) -> Any:
        return _to_plain(part, place, above)

    record = _within(value, place, above, lambda *_: _records.to_plain(value, place, plain))
    return record or _library.to_plain(value, place, plain)


_BUILT_IN = frozenset({*_ATOMS, float, int, list, dict, tuple, set, frozenset, bytes, bytearray, complex})

_FLOAT_NAMES = {math.inf: 'Infinity', -math.inf: '-Infinity'}


def _within(value: Any, place: str, above: Set[int], to_plain: Callable[[Any, str, Set[int]], Any]) -> Any:
    if id(value) in above:
        raise _unsupported(place, 'contains itself')
    above.add(id(value))
    try:
        return to_plain(value, place, above)
    finally:
        above.discard(id(value))


def _container_to_plain(value: Any, place: str, above: Set[int]) -> Any:
    if isinstance(value, dict):
        return _dict_to_plain(value, place, above)
    items = [_to_plain(item, f'{place}[{i}]', above) for i, item in enumerate(value)]
    if isinstance(value, list):
        return items
    if isinstance(value, tuple):
        return _tag('tuple', items)
    return _tag('set' if isinstance(value, set) else 'frozenset', sorted(items, key=_dumps))


def _dict_to_plain(value: Dict[Any, Any], place: str, above: Set[int]) -> Any:
    if all(isinstance(key, str) for key in value) and '$culm' not in value:
        return {key: _to_plain(item, f'{place}[{key!r}]', above) for key, item in value.items()}
    return _tag(
        'map',
        [
            [_to_plain(key, f'the key {key!r} of {place}', above), _to_plain(item, f'{place}[{key!r}]', above)]
            for key, item in value.items()
        ],
    )


def _time_to_plain(value: Any, place: str) -> Dict[str, Any]:
    if isinstance(value, dt.datetime):
        return _tag('datetime', _datetime_text(value))
    if isinstance(value, dt.date):
        return _tag('date', value.isoformat())
    if isinstance(value, dt.time):
        return _tag('time', value.isoformat())
    return _tag('timedelta', [value.days, value.seconds, value.microseconds])


def _datetime_text(value: dt.datetime) -> str:
    """UTC is written as JavaScript writes it, where its milliseconds suffice."""
    if value.tzinfo is None or value.utcoffset() != dt.timedelta(0):
        return value.isoformat()
    exact = 'microseconds' if value.microsecond % 1000 else 'milliseconds'
    return value.replace(tzinfo=None).isoformat(timespec=exact) + 'Z'


#: Kinds of NumPy's types whose name says all about them: bool, int, unsigned, float, complex.
_NAMED_KINDS: FrozenSet[str] = frozenset('biufc')


def _numpy_to_plain(numpy: Any, value: Any, place: str) -> Any:
    if isinstance(value, (numpy.str_, numpy.bytes_)):
        return _to_plain(value.item(), place, set())
    if isinstance(value, numpy.generic) and value.dtype.kind in 'biuf' and value.dtype.itemsize <= 8:
        return _tag('scalar', {'dtype': value.dtype.name, 'value': _to_plain(value.item(), place, set())})
    array = numpy.asarray(value)
    if array.dtype.hasobject or array.dtype.names or isinstance(value, numpy.ma.MaskedArray):
        raise _unsupported(place, f'is a NumPy array that is masked or of type {array.dtype}')
    if array.dtype.byteorder == '>' or (array.dtype.byteorder == '=' and sys.byteorder == 'big'):
        array = array.astype(array.dtype.newbyteorder('<'))
    dtype = array.dtype.name if array.dtype.kind in _NAMED_KINDS else array.dtype.str
    data = base64.b64encode(array.tobytes()).decode()
    return _tag('array', {'dtype': dtype, 'shape': list(array.shape), 'data': data})


def _tag(tag: str, v: Any) -> Dict[str, Any]:
    return {'$culm': tag, 'v': v}


def _type_name(value: Any) -> str:
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == 'builtins' else f'{kind.__module__}.{kind.__qualname__}'


def _unsupported(place: str, why: str) -> CulmError:
    return CulmError('value_unsupported', f'{place} {why}')


def _untag(reading: Reading, pairs: Dict[str, Any]) -> Any:
    """Called for every object from the inside out: what is in `v` is decoded already."""
    if '$culm' not in pairs:
        return pairs
    tag, v = pairs['$culm'], pairs.get('v')
    read = _READ.get(tag) if isinstance(tag, str) else None
    if tag == 'stored' and reading.fetch:
        read = partial(_read_stored, reading)
    elif tag == 'pickle':
        read = _read_pickle if reading.pickled else _refuse_pickle
    if read is None:
        raise _unsupported('a value', f'tagged {tag!r} cannot be read here')
    try:
        return read(v)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise _unsupported('a value', f'tagged {tag!r} cannot be read: {error}') from None


def _read_stored(reading: Reading, v: Dict[str, Any]) -> Any:
    assert reading.fetch is not None
    return decode(reading.fetch(v['blob']), reading)


def _read_pickle(v: Dict[str, str]) -> Any:
    from . import _pickles

    return _pickles.read(v)


def _refuse_pickle(v: Any) -> Any:
    raise CulmError(
        'value_unsupported',
        'a value came pickled, and is not unpickled here',
        "Only works that are marked with `@work(codec='pickle')` take and give pickles.",
    )


def _read_datetime(v: str) -> dt.datetime:
    return dt.datetime.fromisoformat(v[:-1] + '+00:00' if v.endswith('Z') else v)


def _read_map(v: List[Tuple[Any, Any]]) -> Dict[Any, Any]:
    return dict(v)


def _read_array(v: Dict[str, Any]) -> Any:
    numpy = _numpy_for('a NumPy array')
    dtype = numpy.dtype(v['dtype'])
    return numpy.ndarray(v['shape'], dtype, base64.b64decode(v['data'])).copy()[()]


def _read_scalar(v: Dict[str, Any]) -> Any:
    numpy = _numpy_for('a NumPy number')
    return numpy.dtype(v['dtype']).type(v['value'])


def _numpy_for(what: str) -> Any:
    try:
        import numpy  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        raise CulmError(
            'value_unsupported', f'{what} came, and NumPy is not installed here', 'pip install numpy'
        ) from None
    return numpy


_READ: Dict[str, Callable[[Any], Any]] = {
    'float': float,
    'int': int,
    'undefined': lambda v: None,
    'tuple': tuple,
    'set': set,
    'frozenset': frozenset,
    'bytes': base64.b64decode,
    'complex': lambda v: complex(v[0], v[1]),
    'datetime': _read_datetime,
    'date': dt.date.fromisoformat,
    'time': dt.time.fromisoformat,
    'timedelta': lambda v: dt.timedelta(*v),
    'map': _read_map,
    'array': _read_array,
    'scalar': _read_scalar,
    'decimal': _library.read_decimal,
    'fraction': _library.read_fraction,
    'uuid': _library.read_uuid,
    'path': _library.read_path,
    'pandas': _library.read_pandas,
    'dataclass': _records.read_dataclass,
    'enum': _records.read_enum,
    'namedtuple': _records.read_namedtuple,
}
