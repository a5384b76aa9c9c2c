"""Values: what goes in comes out, and what cannot go in says where it is."""

from __future__ import annotations

import collections
import datetime as dt
import math
import random
import subprocess
import sys
import unittest

from support import PYTHON_FOLDER, fixture

from culm import CulmError
from culm._values import decode, encode, encode_arguments

try:
    import numpy
except ImportError:
    numpy = None

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

    def test_not_a_number_comes_back(self):
        self.assertTrue(math.isnan(decode(encode(math.nan))))
        self.assertTrue(math.isnan(decode(encode([1.0, math.nan]))[1]))

    def test_texts_that_both_languages_share_survive(self):
        for vector in fixture('values.json')['values']:
            if ('"array"' in vector['text'] or '"scalar"' in vector['text']) and not numpy:
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
        point = collections.namedtuple('Point', 'x y')(1, 2)
        self.same(decode(encode([point, collections.OrderedDict(a=1)])), [(1, 2), {'a': 1}])

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

    def test_numpy_is_not_imported_to_encode(self):
        program = "import sys; from culm._values import encode; encode([1, (2,)]); sys.exit('numpy' in sys.modules)"
        subprocess.run([sys.executable, '-c', program], env={'PYTHONPATH': PYTHON_FOLDER}, check=True)


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


if __name__ == '__main__':
    unittest.main()
