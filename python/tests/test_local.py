"""Works in the process of their caller, without a server."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import unittest

from support import FolderTest

import culm
from culm import CulmError, journal, work, workflow


@work
def square(x, scale=1):
    if x == 13:
        raise ValueError('unlucky')
    return x * x * scale


@work
def append(items):
    items.append(1)
    return items


@work
def unsendable():
    return object()


@work
def lacks():
    import no_such_package  # noqa: F401


@work
async def slow(x):
    await asyncio.sleep(0)
    return await square.aio(x)


@work
def total(n):
    return sum(square.map(range(n)))


@workflow
def main(n):
    return {
        'total': total(n),
        'outcomes': [o.ok for o in square.map([1, 13]).settle()],
        'at': journal.now().year > 2000,
    }


class Local(FolderTest):
    def setUp(self):
        super().setUp()
        self.without_server()
        scope = culm.local()
        scope.__enter__()
        self.addCleanup(scope.__exit__, None, None, None)

    def without_server(self):
        before = dict(os.environ)
        self.addCleanup(lambda: (os.environ.clear(), os.environ.update(before)))
        os.environ.update(CULM_SERVER='http://127.0.0.1:9', CULM_TOKEN='none')

    def test_calls_give_values(self):
        self.assertEqual(square(3, scale=2), 18)
        self.assertEqual(square.submit(3).result(0), 9)
        self.assertTrue(square.submit(3).done())
        self.assertFalse(square.submit(3).cancel())
        self.assertEqual((total(4), slow(5)), (14, 25))

    def test_maps_work_in_every_way(self):
        calls = square.map([3, 1], scale=2)
        self.assertEqual((calls.result(), list(calls), calls[1]), ([18, 2], [18, 2], 2))
        self.assertEqual(list(calls.as_completed()), [(0, 18), (1, 2)])
        self.assertEqual(calls.by_args()[3], 18)
        self.assertEqual([o.ok for o in square.map([13, 1]).settle()], [False, True])
        self.assertEqual(square.map([]).result(), [])

    def test_errors_are_those_of_jobs(self):
        with self.assertRaises(ValueError) as caught:
            square(13)
        self.assertIsInstance(caught.exception, culm.UserError)
        self.assertIn("raise ValueError('unlucky')", caught.exception.remote_traceback)
        with self.assertRaises(culm.BundleError):
            lacks()
        with self.assertRaises(culm.ParentFailed):
            square.with_options(after=[square.submit(13)])(1)

    def test_what_could_not_cross_does_not(self):
        with self.assertRaises(CulmError) as caught:
            square(object())
        self.assertEqual(caught.exception.code, 'value_unsupported')
        with self.assertRaises(culm.UserError) as caught:
            unsendable()
        self.assertIn('value_unsupported', str(caught.exception))
        items = [0]
        self.assertEqual(append(items), [0, 1])
        self.assertEqual(items, [0], 'the job got a copy')
        with self.assertRaises(TypeError):
            square(1, colour=2)

    def test_workflow_functions_and_sessions_run_too(self):
        self.assertEqual(main(3), {'total': 5, 'outcomes': [True, False], 'at': True})
        self.assertEqual(main.submit(3).result(), main(3))
        with culm.session() as workflow_id:
            self.assertEqual((square(2), workflow_id), (4, 'local'))

    def test_threads_coroutines_and_the_executor_belong_to_it(self):
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            self.assertEqual(list(pool.map(main, [2, 2])), [main(2)] * 2)

        async def gather():
            return await asyncio.gather(square.aio(2), slow.aio(3), slow.submit(4), square.map([1]))

        self.assertEqual(asyncio.run(gather()), [4, 9, 16, [1]])
        with culm.Executor() as jobs:
            futures = [jobs.submit(square, n) for n in (1, 13)]
            self.assertEqual(futures[0].result(), 1)
            self.assertIsInstance(futures[1].exception(), ValueError)
            self.assertEqual(list(jobs.map(square, range(3))), [0, 1, 4])


class ByEnvironment(Local):
    """CULM_LOCAL does it for a whole program."""

    def setUp(self):
        FolderTest.setUp(self)
        self.without_server()
        os.environ['CULM_LOCAL'] = '1'


class Outside(unittest.TestCase):
    def test_it_ends_with_its_block(self):
        os.environ.update(CULM_HOME='/nonexistent')
        self.addCleanup(os.environ.pop, 'CULM_HOME')
        with culm.local():
            self.assertEqual(square(2), 4)
        with self.assertRaises(CulmError) as caught:
            square(2)
        self.assertEqual(caught.exception.code, 'server_unknown')


if __name__ == '__main__':
    unittest.main()
