"""Works without a module: what is captured of a session, and that it runs in real runners as it did where it was typed."""

from __future__ import annotations

import json
import linecache
import os
import subprocess
import sys
import textwrap
import threading
import types
import unittest

from support import DEADLINE_SECONDS, PYTHON_FOLDER, USER_TOKEN, FakePilot, FolderTest, ServerTest

from culm import CulmError, work
from culm._capture import capture
from culm._segments import segment_of_function
from culm._source import CAPTURED_MODULE

COUNT = [0]


class Session:
    """A notebook as the client sees it: a main module that no file has, and cells whose text is in `linecache`."""

    def begin_session(self):
        before, self.main = sys.modules['__main__'], types.ModuleType('__main__')
        sys.modules['__main__'] = self.main
        self.addCleanup(sys.modules.__setitem__, '__main__', before)
        self.cell('from culm import work, workflow\n')

    def cell(self, text):
        """Runs a cell; gives the value of its last line, if that is an expression."""
        COUNT[0] += 1
        name, text = f'<cell {COUNT[0]}>', textwrap.dedent(text)
        linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
        self.addCleanup(linecache.cache.pop, name)
        exec(compile(text, name, 'exec'), vars(self.main))
        return name

    def value(self, expression):
        return eval(expression, vars(self.main))


class Capturing(Session, FolderTest):
    """What is in the document, without any runner."""

    def setUp(self):
        super().setUp()
        self.begin_session()

    def things(self, name='f'):
        captured = capture(self.value(name))
        return json.loads(captured.files[CAPTURED_MODULE])

    def refused(self, text, name='f'):
        self.main.opened = open(os.devnull)
        self.addCleanup(self.main.opened.close)
        self.cell(text)
        with self.assertRaises(CulmError) as caught:
            capture(self.value(name))
        self.assertEqual(caught.exception.code, 'capture_failed')
        return str(caught.exception)

    def test_only_what_is_used_goes_along(self):
        self.cell(
            """
            import math, json
            password = 'not for others'; scale = 3
            def helper(x):
                return x * scale
            def unused(): pass
            f = work(lambda x: helper(x) + math.pi)
            """
        )
        document = self.things()
        self.assertEqual(set(document['spaces'][0]), {'helper', 'scale', 'math'})
        self.assertNotIn('password', json.dumps(document))
        self.assertNotIn('unused', json.dumps(document))

    def test_the_same_source_and_values_make_the_same_document_and_others_another(self):
        source = 'scale = {}\n@work\ndef f(x):\n    return x {} scale\n'
        self.cell(source.format(2, '*'))
        first = capture(self.value('f'))
        self.assertEqual(capture(self.value('f')), first)
        self.main.scale = 3
        changed = capture(self.value('f'))
        self.assertNotEqual(changed.digest, first.digest)
        self.main.scale = 2
        self.assertEqual(capture(self.value('f')).digest, first.digest)
        self.assertEqual(capture(self.value('f.with_options(cores=2)')).digest, first.digest)
        self.cell(source.format(2, '+'))
        self.assertNotEqual(capture(self.value('f')).digest, first.digest)

    def test_equal_sessions_make_equal_documents_whatever_the_hash_seed(self):
        program = (
            'import linecache\ntext = \'import math\\ns = {"a", "b", "c"}\\ng = lambda x: (x, s)\\nf = lambda x: g(x)\\n\'\n'
            "linecache.cache['<cell 1>'] = (1, None, text.splitlines(True), '<cell 1>')\n"
            "exec(compile(text, '<cell 1>', 'exec'))\n"
            'from culm import work\nfrom culm._capture import capture\nprint(capture(work(f)).digest)\n'
        )
        digests = {
            subprocess.run(
                [sys.executable, '-c', program],
                env={'PYTHONPATH': PYTHON_FOLDER, 'PYTHONHASHSEED': seed},
                capture_output=True,
                check=True,
            ).stdout
            for seed in '12'
        }
        self.assertEqual(len(digests), 1)

    def test_what_cannot_go_along_is_named_with_its_type_and_a_remedy(self):
        cases = [
            (
                'g = opened\nf = work(lambda: g.read())',
                'the global variable `g`',
                'TextIOWrapper',
                'Open it inside',
            ),
            (
                'import threading\ng = threading.Lock()\nf = work(lambda: g)',
                '`g`',
                '_thread.lock',
                'inside the function',
            ),
            (
                "import sqlite3\ng = sqlite3.connect(':memory:')\nf = work(lambda: g)",
                '`g`',
                'sqlite3.Connection',
                'inside',
            ),
            ('g = (x for x in [1])\nf = work(lambda: list(g))', '`g`', 'generator', 'Make a list of it'),
            ('class C: pass\ng = C()\nf = work(lambda: g)', '`g`', '__main__.C', 'Make `C` a dataclass'),
            (
                'def make():\n    n = opened\n    return work(lambda: n)\nf = make()',
                '`n` of the function around',
                'TextIO',
                '',
            ),
            ('g = opened\ndef f(x=g): pass\nf = work(f)', 'a default of `f`', 'TextIOWrapper', ''),
            ('g = {"a": [1, opened]}\nf = work(lambda: g)', "`g`, at 'a', at 1", 'TextIOWrapper', ''),
            (
                'def make():\n    class C: pass\n    return C\nC = make()\nf = work(lambda: C())',
                'class `make.<locals>.C`',
                'top level',
                '',
            ),
        ]
        for text, variable, kind, remedy in cases:
            with self.subTest(text):
                said = self.refused(text)
                for words in (variable, kind, remedy):
                    self.assertIn(words, said)

    def test_it_says_by_way_of_which_function(self):
        said = self.refused('g = opened\ndef inner(): g.read()\ndef outer(): inner()\n@work\ndef f(): outer()')
        self.assertIn('`f` uses the global variable `g` (by way of `outer`, `inner`)', said)

    def test_a_lambda_is_found_among_others_on_its_line(self):
        self.cell('f, g, h = work(lambda x: x + 1), work(lambda x: x + 2), work(lambda y: y + 1)\n')
        for name, text in (('f', 'lambda x: x + 1'), ('g', 'lambda x: x + 2'), ('h', 'lambda y: y + 1')):
            fn = self.value(name).fn
            self.assertEqual(segment_of_function(fn).text.strip(), text)

    def test_what_a_class_has_is_refused(self):
        for text in ('class C:\n    @work\n    def f(self): pass', 'class C:\n    f = work(lambda self: 0)'):
            with self.assertRaises(CulmError) as caught:
                self.cell(text)
            self.assertIn('is a method of a class', str(caught.exception))

    @unittest.skipIf(sys.version_info < (3, 11), 'code has no columns before Python 3.11')
    def test_of_equal_ones_it_is_the_one_at_its_column(self):
        self.cell('f, g = work(lambda x: x + 1), work(lambda x: x + 1)\n')
        columns = []
        for name in 'fg':
            fn = self.value(name).fn
            text = segment_of_function(fn).text
            columns.append(len(text) - len(text.lstrip()))
        self.assertEqual(columns, [12, 35])

    def test_a_source_that_was_changed_after_it_was_loaded_is_not_taken(self):
        self.write('steps.py', 'from culm import work\ndef make(n):\n    return work(lambda x: x + n)\n')
        fn = self.load('steps').make(1).fn
        self.assertIsNotNone(segment_of_function(fn))
        self.write('steps.py', 'from culm import work\ndef make(n):\n    return work(lambda x: x - n)\n')
        linecache.checkcache()
        self.assertIsNone(segment_of_function(fn))

    def test_what_is_too_large_for_code_is_to_be_an_argument(self):
        said = self.refused('g = "x" * 41_000_000\nf = work(lambda: len(g))')
        self.assertIn('the global variable `g`, which is 41 MB of text', said)
        self.assertIn('Pass it as an argument', said)

    def test_large_values_lie_in_a_file_of_their_own(self):
        self.cell("table = 'x' * 100_000\nn = 1\nf = work(lambda: len(table) + n)\n")
        first = capture(self.value('f'))
        self.main.n = 2
        second = capture(self.value('f'))
        self.assertLess(len(second.files[CAPTURED_MODULE]), 5000)
        own = [{path for path in captured.files if path != CAPTURED_MODULE} for captured in (first, second)]
        self.assertEqual((len(own[0]), own[0]), (1, own[1]))


class Running(Session, ServerTest):
    """Through a server and runners."""

    def setUp(self):
        super().setUp()
        self.begin_session()
        self.pilot = FakePilot(self.server, 2)
        self.addCleanup(self.pilot.close)

    def test_what_a_session_has_defined_is_there(self):
        self.cell(
            """
            import dataclasses, enum, functools, json, logging, re
            from collections import namedtuple
            from contextlib import contextmanager
            from math import sqrt as root
            from random import randint
            from typing import Generic, List, Optional, TypeVar

            Row, scale, T = Optional[List[float]], 3, TypeVar('T', int, float)
            Pair = namedtuple('Pair', 'a b', defaults=[5])
            Mode = enum.Enum('Mode', 'SLOW FAST')

            class Colour(enum.Enum):
                RED = 'red'

            class Base(Generic[T]):
                def shown(self):
                    return f'{type(self).__name__} {self.x}'

            @dataclasses.dataclass
            class Point(Base):
                x: int
                row: Row = None

                @classmethod
                def at(cls, x):
                    return cls(x * scale)

            @functools.lru_cache(maxsize=None)
            def fib(n):
                return n if n < 2 else fib(n - 1) + fib(n - 2)

            @contextmanager
            def opened(name):
                yield name.upper()

            def traced(fn):
                @functools.wraps(fn)
                def wrapper(*args):
                    return ['traced', fn(*args)]
                return wrapper

            @traced
            def shown(p):
                return p.shown()

            def is_even(n):
                return n == 0 or is_odd(n - 1)

            def is_odd(n):
                return n > 0 and is_even(n - 1)

            log, pattern, half = logging.getLogger('x'), re.compile('a+'), functools.partial(pow, 2)
            table = {'root': root, 'more': [lambda x: x + scale], 'point': Point}
            """
        )
        self.cell(
            """
            @work
            def f(p, mode=Mode.FAST, *, pair=Pair(1)):
                with opened('x') as name:
                    log.debug(json.dumps(name))
                made = table['point'].at(2)
                return [p, made, shown(made), fib(10), name, is_even(6), half(3), pattern.match('aab').group(), mode.name,
                        pair.b, table['root'](9), table['more'][0](1), Colour.RED, randint(4, 4), __name__]
            """
        )
        point = self.value('Point(7, [0.5])')
        answer = self.value('f')(point)
        self.assertEqual(answer[:2], [point, self.value('Point(6)')])
        self.assertEqual(answer[2:5], [['traced', 'Point 6'], 55, 'X'])
        self.assertEqual(answer[5:12], [True, 8, 'aa', 'FAST', 5, 3.0, 4])
        self.assertIs(answer[12], self.value('Colour.RED'))
        self.assertEqual(answer[13:], [4, '__culm_main__'])

    def test_a_class_that_only_the_arguments_are_of_goes_along(self):
        self.cell(
            """
            import dataclasses

            @dataclasses.dataclass
            class Box:
                size: int

                def volume(self):
                    return self.size ** 3

            f = work(lambda boxes: sum(box.volume() for box in boxes['all']))
            """
        )
        self.assertEqual(self.value('f')(self.value("{'all': [Box(2), Box(1)]}")), 9)

    def test_closures_take_their_variables_along(self):
        self.cell(
            """
            def make(n):
                base = {'n': n}

                def inner(x):
                    return recursive(x) + base['n']

                def recursive(x):
                    return x if x < 1 else recursive(x - 1) + 1

                return work(inner), work(lambda x: (
                    x +
                    base['n']
                ))

            (f, g), (h, _) = make(10), make(20)
            many = [work(lambda x, n=n: x + n) for n in range(2)]
            """
        )
        self.assertEqual([self.value(name)(3) for name in ('f', 'g', 'h', 'many[0]', 'many[1]')], [13, 13, 23, 3, 4])

    def test_works_of_a_session_call_each_other(self):
        self.cell(
            """
            @work(name='leaf', cores=2)
            def leaf(x):
                return x + 1

            @workflow
            def branch(x):
                return leaf(x) + leaf(x)

            @work
            def root(n):
                doubled = work(lambda x: 2 * x + n)
                return [root.submit(0).result() if n else 0, branch(n), sum(doubled.map([1, 2]))]
            """
        )
        self.assertEqual(self.value('root').submit(3).result(DEADLINE_SECONDS), [[0, 2, 6], 8, 12])
        tasks = {task['name']: task for task in self.server.tasks.values()}
        self.assertEqual(tasks['leaf']['cores'], 2)
        self.assertEqual(tasks['leaf']['payload']['bundle'], tasks['root']['payload']['bundle'])

    def test_a_cell_that_is_run_again_ships_what_it_says_now(self):
        self.cell('n = 1\n@work\ndef f(x):\n    return x + n\n')
        f = self.value('f')
        self.assertEqual([f(1), f(2)], [2, 3])
        self.assertEqual((len(self.server.bundles), len(self.pilot.runners)), (1, 1))
        self.main.n = 5
        self.assertEqual(f(1), 6)
        self.cell('@work\ndef f(x):\n    return x * n\n')
        self.assertEqual(self.value('f')(3), 15)

    def test_own_modules_are_shipped_as_files_and_as_they_are_now(self):
        self.write('helpers.py', 'import deeper\ndef twice(x):\n    return 2 * deeper.same(x)\n')
        self.write('deeper.py', 'def same(x):\n    return x\n')
        self.write('late.py', 'value = 1\n')
        sys.path.insert(0, self.folder)
        self.cell('import helpers\n@work\ndef f(x):\n    import late\n    return helpers.twice(x) + late.value\n')
        self.assertEqual(self.value('f')(3), 7)
        self.write('late.py', 'value = 10_000\n')
        self.assertEqual(self.value('f')(3), 10_006)

    def test_a_nested_work_of_a_module_finds_its_module_there(self):
        self.write(
            'steps.py',
            """
            from culm import work
            scale = 3

            def make(n):
                @work
                def inner(x):
                    return [x * scale + n, helper(x), __name__]
                return inner

            def helper(x):
                return -x
            """,
        )
        steps = self.load('steps')
        self.assertEqual(steps.make(1)(2), [7, -2, 'steps'])

    def test_a_call_that_a_work_uses_is_to_be_an_argument(self):
        self.cell('calls = work(lambda x: x).map([1])\nf = work(lambda: calls[0])\n')
        with self.assertRaises(CulmError) as caught:
            self.value('f')()
        self.assertIn('`calls`, which is a culm.MapCall', str(caught.exception))
        self.assertIn('Pass it as an argument', str(caught.exception))

    def test_functions_with_global_variables_of_their_own_keep_them(self):
        """As generated ones have, and those of a script that a notebook has run."""
        scope = {'__name__': '__main__', 'offset': 5}
        source = (
            'class Shift:\n    def by(self, x):\n        return x + offset\ndef shifted(x):\n    return Shift().by(x)\n'
        )
        linecache.cache['<generated>'] = (len(source), None, source.splitlines(keepends=True), '<generated>')
        self.addCleanup(linecache.cache.pop, '<generated>')
        exec(compile(source, '<generated>', 'exec'), scope)
        self.main.shifted, self.main.offset = scope['shifted'], 100
        self.cell('f = work(lambda x: [shifted(x), offset])\n')
        self.assertEqual(self.value('f')(1), [6, 100])
        generated = {'offset': 7}
        exec('def shifted(x):\n    return x + offset\n', generated)
        self.assertEqual(work(generated['shifted'])(1), 8)

    def test_data_files_lie_beside_what_was_captured(self):
        self.write('points.csv', '1,2')
        before = os.getcwd()
        self.addCleanup(os.chdir, before)
        os.chdir(self.folder)
        self.cell(
            """
            import os
            @work(files=['*.csv'])
            def f():
                with open(os.path.join(os.path.dirname(__file__), 'points.csv')) as file:
                    return file.read()
            """
        )
        self.assertEqual(self.value('f')(), '1,2')

    def test_a_traceback_has_the_cells_and_their_lines(self):
        helper = self.cell('\n\ndef helper(x):\n    return 1 / x\n')
        name = self.cell('\n@work\ndef f(x):\n\n    return helper(x)\n')
        with self.assertRaises(ZeroDivisionError) as caught:
            self.value('f')(0)
        traceback = caught.exception.remote_traceback
        self.assertIn(f'File "{name}", line 5, in f\n    return helper(x)', traceback)
        self.assertIn(f'File "{helper}", line 4, in helper\n    return 1 / x', traceback)
        self.assertNotIn('_captured', traceback)

    def test_pickles_go_both_ways_for_a_work_that_says_so(self):
        self.cell(
            """
            class Model:
                def __init__(self, weights):
                    self.weights = weights

                def scaled(self, by):
                    return Model([w * by for w in self.weights])

            @work(codec='pickle')
            def f(model, by):
                assert isinstance(model, Model)
                return model.scaled(by)

            @work
            def plain(model):
                return model
            """
        )
        model = self.value('f')(self.value('Model([1, 2])'), by=2)
        self.assertIs(type(model), self.value('Model'))
        self.assertEqual(model.weights, [2, 4])
        call = self.value('f').submit(model, by=2)
        self.assertEqual(self.value('f')(call, by=2).weights, [8, 16])
        with self.assertRaises(CulmError) as caught:
            self.value('plain')(call)
        self.assertIn("@work(codec='pickle')", str(caught.exception))

    def test_a_stored_value_is_fetched_by_the_worker(self):
        self.cell('big = work(lambda n: "x" * n)\nf = work(lambda s, more=(): len(s) + sum(map(len, more)))\n')
        call = self.value('big').submit(1_500_000)
        self.store_results()
        self.assertEqual(self.value('f')(call), 1_500_000)
        self.assertEqual(self.value('f').map([call, 'y'], more=[call]).result(), [3_000_000, 1_500_001])
        asking = [request[3]['Authorization'] for request in self.server.requests_of('GET', '/v1/blobs')]
        self.assertGreaterEqual(len(asking), 3)
        self.assertNotIn(f'Bearer {USER_TOKEN}', asking)

    def store_results(self):
        """As a pilot does with large results."""
        import hashlib

        end = self.server.end

        def stored(job_id, how):
            path = how.get('value', {}).get('file')
            if path:
                with open(path, 'rb') as file:
                    content = file.read()
                digest = hashlib.sha256(content).hexdigest()
                self.server.blobs[digest] = content
                how = {**how, 'value': {'blob': digest, 'bytes': len(content)}}
            end(job_id, how)

        self.server.end = stored


class Prompts(ServerTest):
    """Programs without a file, in an interpreter of their own."""

    def setUp(self):
        super().setUp()
        pilot = FakePilot(self.server, 1)
        self.addCleanup(pilot.close)

    def run_python(self, *args, text=''):
        env = {**os.environ, 'PYTHONPATH': PYTHON_FOLDER}
        return subprocess.run(
            [sys.executable, *args], input=text, env=env, cwd=self.folder, capture_output=True, text=True, timeout=120
        )

    def test_works_typed_at_the_prompt_run(self):
        typed = (
            'from culm import work\nscale = 3\n@work\ndef f(x):\n    return x * scale\n\nprint("gives", f(2))\n'
            'print("gives", work(lambda x: x + scale)(1))\n'
        )
        done = self.run_python('-i', text=typed)
        self.assertEqual(
            [line for line in done.stdout.split('\n') if 'gives' in line], ['gives 6', 'gives 4'], done.stderr
        )

    def test_so_do_those_of_a_program_from_standard_input_or_the_command_line(self):
        program = 'from culm import work\n@work\ndef f(x):\n    return 1 / x\nprint(f(2))\nf(0)\n'
        for done in (self.run_python(text=program), self.run_python('-c', program)):
            self.assertEqual(done.stdout, '0.5\n', done.stderr)
            self.assertRegex(done.stderr, r'File "<(stdin|string)>", line 4, in f')

    def test_a_script_uses_what_it_has_made_below_its_main_line(self):
        path = self.write(
            'flow.py',
            """
            import dataclasses
            from culm import work

            @dataclasses.dataclass
            class Point:
                x: int

            def helper(p):
                return dataclasses.replace(p, x=p.x + 1)

            @work
            def outer(n):
                return work(lambda x: helper(Point(x + n)))(1)

            if __name__ == '__main__':
                scale = 3
                print(work(lambda p: helper(p).x * scale)(Point(1)), outer(5))
            """,
        )
        done = self.run_python(path)
        self.assertEqual((done.stdout, done.stderr), ('6 Point(x=7)\n', ''))

    def test_a_class_typed_where_no_source_is_kept_is_refused(self):
        done = self.run_python('-c', 'from culm import work\nclass C: pass\nwork(lambda: C())()\n')
        self.assertIn('uses the global variable `C`', done.stderr)
        self.assertIn('Put it into a module', done.stderr)


class Errors(Session, ServerTest):
    def test_nothing_is_sent_of_what_cannot_be_captured(self):
        self.begin_session()
        self.cell('lock = __import__("threading").Lock()\nf = work(lambda x: lock)\n')
        for act in (lambda f: f(1), lambda f: f.submit(1), lambda f: f.map([1])):
            with self.assertRaises(CulmError):
                act(self.value('f'))
        self.assertEqual(self.server.requests, [])

    def test_code_without_source_runs_only_in_the_same_version_of_python(self):
        from culm import _captured

        scope = {'__name__': '__main__'}
        exec('f = lambda x: x', scope)
        captured = capture(work(scope['f']))
        folder = os.path.join(self.folder, 'bundle')
        os.makedirs(folder)
        text = captured.files[CAPTURED_MODULE].decode()
        self.write(f'bundle/{CAPTURED_MODULE}', text.replace(_captured.MAGIC, 'other'))
        self.addCleanup(sys.modules.pop, '__culm_main__', None)
        with self.assertRaises(CulmError) as caught:
            _captured.load_captured(folder)
        self.assertIn('its code is not for Python 3.', str(caught.exception))
        self.assertIn('Put it into a file or an IPython cell', str(caught.exception))

    def test_threads_may_call_at_once(self):
        self.begin_session()
        self.cell('f = work(lambda x: x)\n')
        threads = [threading.Thread(target=self.value('f').submit, args=[n]) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual((len(self.server.bundles), len(self.server.tasks)), (1, 8))


if __name__ == '__main__':
    unittest.main()
