"""Values of classes that Python's library and its companions have: decimals, fractions, UUIDs, paths, pandas.

None of these modules is imported to encode: a value of a class is only there when its module is.
"""

from __future__ import annotations

import base64
import sys
from typing import Any, Callable, Dict, List, Optional, Tuple

from ._errors import CulmError

#: Makes plain data of a part: (value, where it is).
ToPlain = Callable[[Any, str], Any]


def to_plain(value: Any, place: str, plain: ToPlain) -> Optional[Tuple[str, Any]]:
    """Tag and `v` of such a value; None for anything else."""
    if _is(value, 'decimal', 'Decimal'):
        return 'decimal', str(value)
    if _is(value, 'fractions', 'Fraction'):
        return 'fraction', f'{value.numerator}/{value.denominator}'
    if _is(value, 'uuid', 'UUID'):
        return 'uuid', str(value)
    if _is(value, 'pathlib', 'PurePath'):
        return 'path', [_kind_of_path(value), str(value)]
    pandas = sys.modules.get('pandas')
    return _pandas_to_plain(pandas, value, place, plain) if hasattr(pandas, 'DataFrame') else None


def _is(value: Any, module: str, name: str) -> bool:
    kind = getattr(sys.modules.get(module), name, None)
    return kind is not None and isinstance(value, kind)


def read_decimal(v: str) -> Any:
    from decimal import Decimal

    return Decimal(v)


def read_fraction(v: str) -> Any:
    from fractions import Fraction

    return Fraction(v)


def read_uuid(v: str) -> Any:
    from uuid import UUID

    return UUID(v)


_PATHS = ('PosixPath', 'WindowsPath', 'PurePosixPath', 'PureWindowsPath')


def _kind_of_path(value: Any) -> str:
    """Of a class of the user's own the one that it is made from."""
    return next((kind.__name__ for kind in type(value).__mro__ if kind.__name__ in _PATHS), 'PurePosixPath')


def read_path(v: List[str]) -> Any:
    """A path of another system is a pure one here."""
    import pathlib

    kind, text = v
    if kind not in _PATHS:
        raise ValueError(f'{kind} is no kind of path')
    if kind in ('PosixPath', 'WindowsPath') and not isinstance(pathlib.Path(), getattr(pathlib, kind)):
        kind = f'Pure{kind}'
    return getattr(pathlib, kind)(text)


def _pandas_to_plain(pandas: Any, value: Any, place: str, plain: ToPlain) -> Optional[Tuple[str, Any]]:
    if value is pandas.NaT or value is pandas.NA:
        return 'pandas', {'kind': 'NaT' if value is pandas.NaT else 'NA'}
    if isinstance(value, (pandas.Timestamp, pandas.Timedelta)):
        return 'pandas', {'kind': type(value).__name__, **_moment_to_plain(pandas, value, plain)}
    if isinstance(value, pandas.DataFrame):
        return 'pandas', {'kind': 'DataFrame', 'arrow': _arrow_of(value, place)}
    if isinstance(value, pandas.Series):
        name = plain(value.name, f'{place}.name')
        return 'pandas', {'kind': 'Series', 'name': name, 'arrow': _arrow_of(value.to_frame('values'), place)}
    if isinstance(value, pandas.Index):
        names = [plain(name, f'{place}.name') for name in value.names]
        frame = value.set_names([f'level{i}' for i in range(value.nlevels)]).to_frame(index=False)
        return 'pandas', {'kind': 'Index', 'names': names, 'arrow': _arrow_of(frame, place)}
    return None


def _moment_to_plain(pandas: Any, value: Any, plain: ToPlain) -> Dict[str, Any]:
    """Nanoseconds and all; `unit` is what it counts in."""
    zone = str(value.tz) if isinstance(value, pandas.Timestamp) and value.tz is not None else None
    return {'count': plain(int(value.asm8.astype('int64')), ''), 'unit': value.unit, 'zone': zone}


def _arrow_of(frame: Any, place: str) -> str:
    arrow = _arrow(place)
    try:
        if 'mixed' in frame.columns.inferred_type:
            raise ValueError(f'the names of its columns are of several types: {list(frame.columns)}')
        batch = arrow.RecordBatch.from_pandas(frame)
    except (arrow.ArrowException, ValueError, TypeError) as error:
        why = f'{place} is a pandas object that Arrow cannot hold: {error}'
        help = 'Give each column one type (`frame.convert_dtypes()`), or send what you need of it as plain data.'
        raise CulmError('value_unsupported', why, help) from None
    sink = arrow.BufferOutputStream()
    with arrow.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    return base64.b64encode(sink.getvalue()).decode()


def read_pandas(v: Dict[str, Any]) -> Any:
    pandas, kind = _pandas(), v['kind']
    if kind in ('NaT', 'NA'):
        return getattr(pandas, kind)
    if kind in ('Timestamp', 'Timedelta'):
        return _read_moment(pandas, v)
    frame = _frame_of(v['arrow'])
    if kind == 'DataFrame':
        return frame
    if kind == 'Series':
        return frame['values'].rename(v['name'])
    if kind != 'Index':
        raise ValueError(f'{kind} is nothing of pandas that travels')
    names = v['names']
    if len(names) > 1:
        return pandas.MultiIndex.from_frame(frame, names=names)
    return pandas.Index(frame['level0']).rename(names[0])


def _read_moment(pandas: Any, v: Dict[str, Any]) -> Any:
    numpy = sys.modules['numpy']  # pandas is made of it
    if v['kind'] == 'Timedelta':
        return pandas.Timedelta(numpy.timedelta64(v['count'], v['unit'])).as_unit(v['unit'])
    moment = pandas.Timestamp(numpy.datetime64(v['count'], v['unit'])).as_unit(v['unit'])
    return moment.tz_localize('UTC').tz_convert(v['zone']) if v['zone'] else moment


def _frame_of(data: str) -> Any:
    arrow = _arrow('a pandas object')
    return arrow.ipc.open_stream(base64.b64decode(data)).read_pandas()


def _pandas() -> Any:
    try:
        import pandas  # type: ignore[import-not-found, import-untyped, unused-ignore]
    except ImportError:
        why = 'a pandas object came, and pandas is not installed here'
        raise CulmError('value_unsupported', why, 'pip install pandas pyarrow') from None
    return pandas


def _arrow(place: str) -> Any:
    """Arrow is what pandas objects travel in; pandas itself does without it."""
    try:
        import pyarrow  # type: ignore[import-not-found, import-untyped, unused-ignore]
    except ImportError:
        why = f'{place} is a pandas object, and pyarrow, which these travel in, is not installed here'
        raise CulmError('value_unsupported', why, 'pip install pyarrow') from None
    return pyarrow
