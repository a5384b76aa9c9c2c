"""Values: what goes in comes out, and what cannot go in says where it is."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import math
import pathlib
import random
import struct
import subprocess
import sys
import typing
import unittest
import uuid

from support import PYTHON_FOLDER, FolderTest, fixture

from culm import CulmError, Record
from culm._values import Reading, decode, encode, encode_arguments

try:
    import numpy
except ImportError:
    numpy = None
try:
    import pandas
except ImportError:
    pandas = None


@dataclasses.dataclass
class Point:
    x: typing.Any
    y: typing.Any = 0

    def __post_init__(self):
        self.made = [self.x]


@dataclasses.dataclass(frozen=True)
class Key:
    name: str
    where: typing.ClassVar[str] = 'of the class'
    seeds: tuple = ()
    total: int = dataclasses.field(init=False, default=7)


class Colour(enum.Enum):
    RED = 'red'
    BOTH = ('a', 1)


class Level(enum.IntEnum):
    LOW = 1


class Rights(enum.Flag):
    READ = 1
    WRITE = 2
    ALL = 3


class Pair(typing.NamedTuple):
    left: typing.Any
    right: typing.Any = None


Triple = collections.namedtuple('Triple', 'a b c')

NAMED = [
    *(Point(1), Point([Point(2), (3,)], {'k': {Key('a')}}), Key('k', (1, 2)), Colour.RED, Colour.BOTH, Level.LOW),
    *(
        Rights.READ,
        Rights.READ | Rights.WRITE,
        Rights(0),
        Pair(1, Pair(2)),
        Triple(1, Colour.RED, ()),
        {Key('a'): Level.LOW},
    ),
    *(decimal.Decimal('1.50'), decimal.Decimal('-Infinity'), fractions.Fraction(-3, 4), uuid.UUID(int=7)),
    *(pathlib.Path('a/b.csv'), pathlib.PureWindowsPath('C:\\x'), pathlib.PurePosixPath('/'), {pathlib.Path('p'): 1}),
]

UTC = dt.timezone.utc
VALUES = [
    *(None, True, False, 0, -1, 2**53, 2**53 + 1, -(10**40), 0.1, 1.0, -0.0, 1e300, 5e-324, math.inf, -math.inf),
    *('', 'é\u2028😀', '"\\\x00', '\ud800', '\udc00\ud800', b'', b'\x00\xff', 1 + 2j, complex(math.inf, -0.0)),
    *([], {}, (), set(), frozenset(), [()], {'a': [1, (2, {3})]}, {1: 'a', None: 'b'}, {'$culm': 1}, {(1, 2): [3]}),
    *({'$culm': {'$culm': 'tuple', 'v': []}}, {'v': 1, 'x': {'$culm': 'nothing'}}, {True, 'x'}, {frozenset({1}), (2,)}),
    *(dt.date(2026, 1, 2), dt.time(3, 4, 5, 6), dt.timedelta(-1, 2, 3), dt.datetime(2026, 1, 2, 3, 4, 5)),
    *(
        dt.datetime(2026, 1, 2, 3, 4, 5, 678901, UTC),
        dt.datetime(2026, 1, 2, tzinfo=dt.timezone(dt.timedelta(hours=-3))),
    ),
    *([1, 2**60], [1.0, math.inf], {'a': [1, {'b': 2**60}]}, list(range(1000)), [0.5] * 1000, ['x'] * 1000),
]


class Values(unittest.TestCase):
    def same(self, a, b):
        """Equal, of equal types all the way down, zeros with their sign."""
        self.assertIs(type(a), type(b))
        if isinstance(a, (float, complex)):
            self.assertEqual(repr(a), repr(b))
        elif isinstance(a, (list, tuple)):
            self.assertEqual(len(a), len(b))
            for x, y in zip(a, b):
                self.same(x, y)
        elif isinstance(a, Point):
            self.same(vars(a), vars(b))
        elif isinstance(a, dict):
            self.assertEqual(list(a), list(b))
            for key in a:
                self.same(a[key], b[key])
        else:
            self.assertEqual(a, b)
        if isinstance(a, dt.datetime):
            self.assertEqual(a.utcoffset(), b.utcoffset())

    def test_every_value_comes_back_as_it_went(self):
        for value in [*VALUES, VALUES, {str(i): value for i, value in enumerate(VALUES)}]:
            with self.subTest(value=repr(value)[:60]):
                self.same(decode(encode(value)), value)

    def test_random_nests_of_values_come_back_as_they_went(self):
        chance = random.Random(7)

        def nest(depth):
            kind = chance.randrange(4) if depth else 0
            if kind == 1:
                return [nest(depth - 1) for _ in range(chance.randrange(4))]
            if kind == 2:
                return tuple(nest(depth - 1) for _ in range(chance.randrange(3)))
            if kind == 3:
                return {
                    chance.choice(['a', '$culm', 7, 'v', (1,)]): nest(depth - 1) for _ in range(chance.randrange(4))
                }
            return chance.choice(VALUES)

        for _ in range(500):
            value = nest(4)
            self.same(decode(encode(value)), value)

    def test_random_values_of_every_kind_come_back_as_they_went(self):
        for seed in range(300):
            value = Chance(seed).value(4)
            with self.subTest(seed=seed, value=repr(value)[:80]):
                text = encode(value)
                self.same(decode(text), value)
                self.assertEqual(encode(decode(text)), text)
                self.assertNotIn('\0', text)
                text.encode('utf-8')

    def test_not_a_number_comes_back(self):
        self.assertTrue(math.isnan(decode(encode(math.nan))))
        self.assertTrue(math.isnan(decode(encode([1.0, math.nan]))[1]))

    def test_texts_that_both_languages_share_survive(self):
        for vector in fixture('values.json')['values']:
            if '"array"' in vector['text'] or '"scalar"' in vector['text'] or '"pandas"' in vector['text']:
                if not (pandas if '"pandas"' in vector['text'] else numpy):
                    continue
            with self.subTest(vector['name']):
                wanted = vector.get('python', vector['text'])
                if wanted is None:
                    with self.assertRaises(CulmError) as caught:
                        decode(vector['text'])
                    self.assertEqual(caught.exception.code, 'value_unsupported')
                else:
                    self.assertEqual(encode(decode(vector['text'])), wanted)

    def test_the_text_can_be_sent_as_utf_8(self):
        for value in VALUES:
            encode(value).encode('utf-8')

    def test_a_subclass_arrives_as_its_base(self):
        class Text(str):
            pass

        self.same(decode(encode([Text('x'), collections.OrderedDict(a=1), bytearray(b'1')])), ['x', {'a': 1}, b'1'])

    def test_what_cannot_be_sent_is_named_with_its_place(self):
        circle = []
        circle.append({'again': circle})
        deep = []
        for _ in range(100_000):
            deep = [deep]
        cases = [
            (object(), 'the value is a object'),
            ({'a': [1, {2: lambda: 0}]}, "the value['a'][1][2] is a function"),
            ({'a': {(1, object): 1}}, 'is a type'),
            (circle, 'contains itself'),
            (deep, 'nested too deeply'),
        ]
        for value, words in cases:
            with self.assertRaises(CulmError) as caught:
                encode(value)
            self.assertEqual(caught.exception.code, 'value_unsupported')
            self.assertIn(words, str(caught.exception))

    def test_an_argument_that_cannot_be_sent_is_named(self):
        with self.assertRaises(CulmError) as caught:
            encode_arguments([1, {'model': object()}], {})
        self.assertIn("argument 2['model']", str(caught.exception))
        with self.assertRaises(CulmError) as caught:
            encode_arguments([], {'limit': [print]})
        self.assertIn('argument limit[0]', str(caught.exception))

    def test_equal_arguments_have_equal_text_in_every_process(self):
        arguments = "[{'a', 'b', 'c', 1, (2, 'x')}], {'z': 1, 'y': {3, 4}}"
        program = f'from culm._values import encode_arguments; print(encode_arguments({arguments}))'
        texts = {
            subprocess.run(
                [sys.executable, '-c', program],
                env={'PYTHONPATH': PYTHON_FOLDER, 'PYTHONHASHSEED': seed},
                capture_output=True,
                check=True,
            ).stdout
            for seed in '123'
        }
        self.assertEqual(len(texts), 1)

    def test_a_tagged_value_that_makes_no_sense_is_refused(self):
        for text in (
            '{"$culm":"date","v":"yesterday"}',
            '{"$culm":"map","v":[[[],1]]}',
            '{"$culm":7}',
            '{"$culm":"complex"}',
        ):
            with self.assertRaises(CulmError) as caught:
                decode(text)
            self.assertEqual(caught.exception.code, 'value_unsupported')

    def test_modules_of_other_classes_are_not_imported_to_encode(self):
        program = (
            'import sys; from culm._values import encode; encode([1, (2,)]);'
            "sys.exit(bool({'numpy', 'pandas', 'dataclasses', 'decimal', 'uuid', 'pickle'} & set(sys.modules)))"
        )
        subprocess.run([sys.executable, '-S', '-c', program], env={'PYTHONPATH': PYTHON_FOLDER}, check=True)

    def test_a_stored_value_is_read_where_it_lies(self):
        text = '{"a":[{"$culm":"stored","v":{"blob":"h","bytes":9}}]}'
        self.assertEqual(decode(text, Reading({'h': '{"$culm":"tuple","v":[1]}'}.__getitem__)), {'a': [(1,)]})
        with self.assertRaises(CulmError):
            decode(text)


class Chance:
    """Makes values of every kind; equal seeds make equal values."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def value(self, depth):
        kinds = [self.atom, self.hashable]
        if depth:
            kinds += [self.list, self.dict, self.point, self.set]
        return self.random.choice(kinds)(depth - 1)

    def atom(self, _):
        chance = self.random
        return chance.choice(
            [
                lambda: chance.randrange(-(2 ** chance.randrange(1, 200)), 2**60),
                lambda: struct.unpack('>d', chance.getrandbits(64).to_bytes(8, 'big'))[0] or 0.0,
                lambda: ''.join(chr(chance.randrange(chance.choice([128, 0x3000, 0x110000]))) for _ in range(4)),
                lambda: bytes(chance.randrange(256) for _ in range(chance.randrange(5))),
                lambda: dt.datetime.fromtimestamp(chance.randrange(2**31), UTC).replace(
                    microsecond=chance.randrange(10**6)
                ),
                lambda: dt.timedelta(chance.randrange(-9, 9), chance.randrange(86400), chance.randrange(10**6)),
                lambda: decimal.Decimal(chance.randrange(10**9)).scaleb(chance.randrange(-9, 9)),
                lambda: fractions.Fraction(chance.randrange(-99, 99), chance.randrange(1, 99)),
                lambda: uuid.UUID(int=chance.getrandbits(128)),
                lambda: chance.choice(VALUES),
            ]
        )()

    def hashable(self, depth):
        inner = self.hashable(depth - 1) if depth > 0 else self.random.randrange(99)
        whole = [inner, self.random.choice('ab'), None]
        return self.random.choice(
            [inner, tuple(whole), frozenset(whole), Key('k', (inner,)), Pair(inner), Colour.BOTH, Level.LOW, Rights(3)]
        )

    def list(self, depth):
        return [self.value(depth) for _ in range(self.random.randrange(4))]

    def set(self, depth):
        return {self.hashable(depth) for _ in range(self.random.randrange(4))}

    def dict(self, depth):
        return {self.random.choice(['$culm', 'v', 'a', self.hashable(1)]): self.value(depth) for _ in range(3)}

    def point(self, depth):
        return Point(self.value(depth), y=self.value(depth))


class NamedValues(FolderTest):
    """Of the user's classes, and of Python's library."""

    def test_they_come_back_as_instances_of_their_class(self):
        for value in [*NAMED, NAMED]:
            with self.subTest(value=repr(value)[:60]):
                back = decode(encode(value))
                self.assertIs(type(back), type(value))
                self.assertEqual(back, value)
        self.assertIs(decode(encode(Colour.BOTH)), Colour.BOTH)

    def test_an_instance_is_made_without_calling_anything_of_its_class_and_has_all_its_attributes(self):
        point = Point(1)
        point.x = 2
        self.assertEqual(vars(decode(encode(point))), {'x': 2, 'y': 0, 'made': [1]})

    def test_a_class_that_is_not_here_gives_a_record_that_is_sent_on_as_it_came(self):
        self.write('gone.py', GONE)
        values = self.load('gone').values
        text = encode(values)
        self._forget_modules(set(sys.modules) - {'gone'}, [p for p in sys.path if p != self.folder])
        point, member, flags, pair = decode(text)
        self.assertIsInstance(point, Record)
        self.assertEqual((point.x, point.y, repr(point)), (1, [2], '<record of gone.Point: x=1, y=[2], z=3>'))
        self.assertEqual(
            (member.name, member.value, repr(member)),
            ('RED', 'red', "<record of gone.Colour: name='RED', value='red'>"),
        )
        self.assertEqual(flags.value, 3)
        self.assertEqual((pair.a, pair[1], repr(pair)), (1, 2, 'Pair(a=1, b=2)'))
        self.assertEqual(decode(text), [point, member, flags, pair])
        self.assertEqual(hash(decode(text)[1]), hash(member))
        self.assertEqual(encode([point, member, flags, pair]), text)

    def test_a_class_with_other_fields_than_it_had_gives_a_record(self):
        for form in (
            '{"$culm":"dataclass","v":{"module":"test_values","name":"Point","fields":{"z":1}}}',
            '{"$culm":"enum","v":{"module":"test_values","name":"Colour","member":"BLUE","value":"blue"}}',
            '{"$culm":"dataclass","v":{"module":"test_values","name":"Colour","fields":{"z":1}}}',
            '{"$culm":"dataclass","v":{"module":"os","name":"system","fields":{"command":"false"}}}',
        ):
            back = decode(form)
            self.assertIsInstance(back, Record)
            self.assertEqual(encode(back), form)
        pair = decode('{"$culm":"namedtuple","v":{"module":"test_values","name":"Pair","fields":["z"],"items":[1]}}')
        self.assertEqual((pair.z, isinstance(pair, Pair)), (1, False))

    def test_a_module_that_fails_on_import_gives_a_record(self):
        self.write('broken_module.py', 'raise SystemExit(3)')
        sys.path.insert(0, self.folder)
        form = '{"$culm":"dataclass","v":{"module":"broken_module","name":"Point","fields":{}}}'
        self.assertEqual(repr(decode(form)), '<record of broken_module.Point: >')

    def test_a_path_of_another_system_is_a_pure_one(self):
        back = decode('{"$culm":"path","v":["WindowsPath","C:\\\\x"]}')
        self.assertEqual(back, pathlib.PureWindowsPath('C:\\x'))

    def test_what_is_inside_is_named_with_its_place(self):
        for value, words in (
            ([Point({'k': object()})], "the value[0].x['k'] is a object"),
            (Pair(object()), 'the value.left is a object'),
        ):
            with self.assertRaises(CulmError) as caught:
                encode(value)
            self.assertIn(words, str(caught.exception))
        circle = Point(1)
        circle.x = [circle]
        with self.assertRaises(CulmError) as caught:
            encode(circle)
        self.assertIn('contains itself', str(caught.exception))


GONE = """
    import collections, dataclasses, enum

    @dataclasses.dataclass
    class Point:
        x: int
        y: list

        def __post_init__(self):
            self.z = 3

    class Colour(enum.Enum):
        RED = 'red'

    class Rights(enum.Flag):
        READ = 1
        WRITE = 2

    Pair = collections.namedtuple('Pair', 'a b')
    values = [Point(1, [2]), Colour.RED, Rights.READ | Rights.WRITE, Pair(1, 2)]
"""


class Anything:
    """A class whose instances are no plain data."""

    def __init__(self, x):
        self.x = x

    def __eq__(self, other):
        return self.x == other.x


class Pickles(unittest.TestCase):
    def test_what_is_no_plain_data_is_pickled_when_that_is_asked_for(self):
        text = encode_arguments([[1, 'a'], Anything([1])], {'k': (Anything(2),)}, True)
        self.assertTrue(text.startswith('{"a":[[1,"a"],{"$culm":"pickle","v":{"python":"'))
        back = decode(text, Reading(pickled=True))
        self.assertEqual(back, {'a': [[1, 'a'], Anything([1])], 'k': {'k': (Anything(2),)}})

    def test_nobody_unpickles_who_has_not_said_so(self):
        with self.assertRaises(CulmError) as caught:
            decode(encode(Anything(1), pickled=True))
        self.assertIn("@work(codec='pickle')", str(caught.exception))

    def test_another_version_of_python_is_refused(self):
        text = encode(Anything(1), pickled=True).replace(f'"{sys.version_info[0]}.{sys.version_info[1]}"', '"3.5"')
        with self.assertRaises(CulmError) as caught:
            decode(text, Reading(pickled=True))
        self.assertIn('pickled by Python 3.5, and this is Python 3.', str(caught.exception))

    def test_what_cannot_be_pickled_either_is_named(self):
        with self.assertRaises(CulmError) as caught:
            encode_arguments([lambda: 0], {}, True)
        self.assertIn('argument 1 cannot be pickled', str(caught.exception))


@unittest.skipUnless(numpy, 'NumPy is not installed for this interpreter')
class NumpyValues(unittest.TestCase):
    def test_arrays_come_back(self):
        arrays = [
            *(numpy.arange(6).reshape(2, 3), numpy.arange(6).reshape(2, 3).T, numpy.zeros((0, 3)), numpy.array([True])),
            *(numpy.array([1.5, numpy.nan], dtype='>f4'), numpy.array(['a', 'bcd']), numpy.array([1 + 2j])),
            *(
                numpy.array(['2026-01-02'], dtype='datetime64[D]'),
                numpy.arange(10)[::3],
                numpy.array([2**63], dtype='u8'),
            ),
        ]
        for array in arrays:
            with self.subTest(array=repr(array)):
                back = decode(encode({'a': array}))['a']
                numpy.testing.assert_array_equal(back, array)
                self.assertEqual(back.dtype, array.dtype.newbyteorder('=') if array.dtype.kind == 'f' else array.dtype)
                self.assertTrue(back.flags.writeable or back.size == 0)

    def test_scalars_come_back_with_their_type(self):
        for value in (
            numpy.float32(0.1),
            numpy.float64(0.1),
            numpy.int8(-3),
            numpy.uint64(2**64 - 1),
            numpy.bool_(True),
        ):
            back = decode(encode([value]))[0]
            self.assertIs(type(back), type(value))
            self.assertEqual(back, value)
        self.assertEqual(decode(encode(numpy.complex64(1 + 2j))), numpy.complex64(1 + 2j))
        self.assertEqual(decode(encode(numpy.datetime64('2026-01-02'))), numpy.datetime64('2026-01-02'))
        self.assertEqual(decode(encode(numpy.str_('x'))), 'x')

    def test_objects_and_masks_are_refused(self):
        for value in (numpy.array([object()]), numpy.zeros(2, dtype=[('a', 'i4')]), numpy.ma.masked_array([1], [True])):
            with self.assertRaises(CulmError):
                encode(value)


@unittest.skipUnless(pandas, 'pandas is not installed for this interpreter')
class PandasValues(unittest.TestCase):
    def frame(self):
        columns = {
            'n': [1, 2, 3],
            'x': [0.5, math.nan, 1e300],
            's': ['a', None, 'é'],
            'at': pandas.date_range('2026', periods=3, tz='UTC'),
        }
        return pandas.DataFrame(
            {**columns, 'c': pandas.Categorical(['u', 'v', 'u'])}, index=pandas.Index([5, 7, 9], name='run')
        )

    def test_tables_come_back(self):
        frame = self.frame()
        for table in (frame, frame.iloc[:0], frame[['n', 'x']].T, frame.groupby(['s', 'n']).size().to_frame('k')):
            pandas.testing.assert_frame_equal(decode(encode([table]))[0], table)

    def test_series_and_indices_come_back(self):
        frame = self.frame()
        for series in (frame['x'], frame['s'].rename(None), frame['c'].rename(('a', 1))):
            pandas.testing.assert_series_equal(decode(encode(series)), series)
        pairs = pandas.MultiIndex.from_tuples([(1, 'a'), (2, 'b')], names=['n', None])
        for index in (
            frame.index,
            pandas.RangeIndex(3),
            pairs,
            pandas.DatetimeIndex(frame['at']),
            pandas.Index([], name='e'),
        ):
            pandas.testing.assert_index_equal(decode(encode(index)), index, exact='equiv')

    def test_moments_come_back_to_the_nanosecond(self):
        for moment in (
            *(pandas.Timestamp('2026-01-02 03:04:05.123456789'), pandas.Timestamp('2026-07-02', tz='Europe/Zurich')),
            *(pandas.Timedelta(5, 'ns'), pandas.Timedelta('-3 days')),
        ):
            back = decode(encode(moment))
            self.assertIs(type(back), type(moment))
            self.assertEqual(
                (back, str(getattr(back, 'tz', '')), back.unit), (moment, str(getattr(moment, 'tz', '')), moment.unit)
            )
        for nothing in (pandas.NaT, pandas.NA):
            self.assertIs(decode(encode({'k': nothing}))['k'], nothing)

    def test_what_arrow_cannot_hold_is_refused_with_a_remedy(self):
        for table in (pandas.DataFrame({'a': [1, 'x', object()]}), pandas.DataFrame({1: [1], 'x': [2]})):
            with self.assertRaises(CulmError) as caught:
                encode({'t': table})
            self.assertIn("the value['t'] is a pandas object that Arrow cannot hold", str(caught.exception))
            self.assertIn('as plain data', str(caught.exception))

    def test_without_pyarrow_it_says_what_to_install(self):
        text = encode(self.frame())
        hidden = {name: module for name, module in sys.modules.items() if name.partition('.')[0] == 'pyarrow'}
        self.addCleanup(sys.modules.update, hidden)
        for name in hidden:
            sys.modules[name] = None
        for act in (lambda: encode(self.frame()), lambda: decode(text)):
            with self.assertRaises(CulmError) as caught:
                act()
            self.assertIn('pip install pyarrow', str(caught.exception))


if __name__ == '__main__':
    unittest.main()
