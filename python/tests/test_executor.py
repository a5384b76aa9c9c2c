"""The executor of `concurrent.futures`, against the fake server of `support.py`; the tests end its jobs by hand."""

from __future__ import annotations

import concurrent.futures
import json
import math
import threading
import time

from support import DEADLINE_SECONDS, FakePilot, ServerTest, eventually

import culm
from culm import CulmError, Executor

STEPS = """
    from concurrent.futures import FIRST_COMPLETED, wait
    from culm import Executor, work

    @work
    def square(x, scale=1):
        return x * x * scale

    @work
    def gather(n):
        with Executor() as jobs:
            futures = [jobs.submit(square, i) for i in range(n)]
            done, rest = wait(futures, timeout=60, return_when=FIRST_COMPLETED)
            return sorted([future.result() for future in futures]), len(done) > 0, list(jobs.map(square, range(n)))

    def plain(x):
        return -x
"""


class ExecutorTest(ServerTest):
    def setUp(self):
        super().setUp()
        self.write('steps.py', STEPS)
        self.steps = self.load('steps')
        self.square = self.steps.square

    def executor(self, **options):
        executor = Executor(**options)
        self.addCleanup(executor.shutdown, wait=False, cancel_futures=True)
        return executor

    def serve(self):
        """Ends all jobs as they come, with the square of their argument."""

        def run():
            while True:
                job = self.server.ready.get()
                if job is None:
                    return
                self.server.finish(job['id'], str(json.loads(job['args']['text'])['a'][0] ** 2))

        threading.Thread(target=run, daemon=True).start()
        self.addCleanup(self.server.ready.put, None)

    def submitted(self):
        return [json.loads(body) for _, _, body, _ in self.server.requests_of('POST', '/v1/tasks')]


class Futures(ExecutorTest):
    def test_a_future_has_the_value_falsy_ones_too(self):
        jobs = self.executor()
        for text, value in (('9', 9), ('null', None), ('false', False), ('0', 0), ('[]', [])):
            future = jobs.submit(self.square, 3)
            self.assertFalse(future.done())
            with self.assertRaises(concurrent.futures.TimeoutError):
                future.result(0.01)
            self.server.finish(self.server.next_job()['id'], text)
            self.assertEqual(future.result(DEADLINE_SECONDS), value)
            self.assertIsNone(future.exception())

    def test_it_has_the_error_with_the_handle_of_its_call(self):
        future = self.executor().submit(self.square, 3)
        self.server.fail(future.call.job_id, type='ValueError', message='no')
        error = future.exception(DEADLINE_SECONDS)
        self.assertIsInstance(error, culm.UserError)
        self.assertEqual(error.job_id, future.call.job_id)
        with self.assertRaises(ValueError):
            future.result()

    def test_the_functions_of_the_module_see_it_end(self):
        jobs = self.executor()
        futures = [jobs.submit(self.square, n) for n in range(3)]
        called = []
        futures[2].add_done_callback(called.append)
        first = [self.server.next_job() for _ in range(3)][2]
        self.server.finish(first['id'], '4')
        done, rest = concurrent.futures.wait(futures, DEADLINE_SECONDS, concurrent.futures.FIRST_COMPLETED)
        self.assertEqual((done, len(rest)), ({futures[2]}, 2))
        self.assertEqual(next(concurrent.futures.as_completed(futures, DEADLINE_SECONDS)), futures[2])
        eventually(lambda: called == [futures[2]], 'its callback')

    def test_a_cancelled_one_cancels_its_job_and_one_that_has_ended_is_not(self):
        jobs = self.executor()
        future, ended = jobs.submit(self.square, 1), jobs.submit(self.square, 2)
        self.assertTrue(future.cancel())
        self.assertTrue(future.cancel())
        self.assertEqual(self.server.jobs[future.call.job_id]['outcome']['state'], 'cancelled')
        self.assertEqual(concurrent.futures.wait([future], DEADLINE_SECONDS).done, {future})
        with self.assertRaises(concurrent.futures.CancelledError):
            future.result()
        self.server.finish(ended.call.job_id, '4')
        self.assertEqual(ended.result(DEADLINE_SECONDS), 4)
        self.assertFalse(ended.cancel())

    def test_thousands_need_one_thread(self):
        self.serve()
        before = threading.active_count()
        with Executor() as jobs:
            futures = [jobs.submit(self.square, n) for n in range(1000)]
            most = threading.active_count()
            values = [future.result(DEADLINE_SECONDS) for future in futures]
        self.assertEqual(values, [n * n for n in range(1000)])
        ours = [thread for thread in threading.enumerate() if thread.name.startswith('culm-executor')]
        self.assertLessEqual(len(ours), 1)
        self.assertLess(most - before, 50)  # Most of them are of the fake server.

    def test_a_callback_may_submit_more(self):
        self.serve()
        jobs = self.executor()
        more = []
        jobs.submit(self.square, 2).add_done_callback(lambda done: more.append(jobs.submit(self.square, done.result())))
        eventually(lambda: more, 'the callback')
        self.assertEqual(more[0].result(DEADLINE_SECONDS), 16)

    def test_it_fails_when_its_outcome_cannot_come(self):
        future = self.executor().submit(self.square, 3)
        future.call._scope.close(CulmError('workflow_ended', 'over'))
        # Before its job ends: an outcome that is there when somebody looks counts.
        with self.assertRaises(CulmError) as caught:
            future.result(DEADLINE_SECONDS)
        self.assertEqual(caught.exception.code, 'workflow_ended')
        self.server.finish(future.call.job_id, '9')
        self.assertIs(future.exception(), caught.exception)


class Functions(ExecutorTest):
    def test_a_plain_function_that_a_worker_can_import_is_made_a_work(self):
        jobs = self.executor(cores=2)
        for _ in range(2):
            jobs.submit(self.steps.plain, 1)
        jobs.submit(self.square, 1)
        self.assertEqual([task['payload']['export'] for task in self.submitted()], ['plain', 'plain', 'square'])
        self.assertEqual([task['cores'] for task in self.submitted()], [2, 2, 2])

    def test_functions_without_a_module_take_along_what_they_use(self):
        def nested():
            pass

        jobs = self.executor()
        for fn in (nested, lambda: 0):
            jobs.submit(fn)
        self.assertEqual([task['name'] for task in self.submitted()], ['nested', '<lambda>'])

    def test_what_is_no_function_of_python_is_refused_with_a_remedy(self):
        for fn in (math.sqrt, [].append):
            with self.assertRaises(CulmError) as caught:
                self.executor().submit(fn)
            self.assertEqual(caught.exception.code, 'work_not_exported')
            self.assertIn('`def`', str(caught.exception))
        self.assertEqual(self.server.requests, [])


class Maps(ExecutorTest):
    def test_values_come_in_order_from_one_task(self):
        values = self.executor().map(self.square, [3, 1, 2])
        for job in reversed([self.server.next_job() for _ in range(3)]):
            self.server.finish(job['id'], str(json.loads(job['args']['text'])['a'][0] ** 2))
        self.assertEqual(list(values), [9, 1, 4])
        self.assertEqual(len(self.server.tasks), 1)
        self.assertEqual(self.server.requests_of('POST', '/cancel'), [])

    def test_it_may_have_a_limit_and_whoever_stops_before_its_end_cancels_the_rest(self):
        values = self.executor().map(self.square, [1, 2, 3], timeout=0.2)
        self.server.finish(self.server.next_job()['id'], '1')
        self.assertEqual(next(values), 1)
        with self.assertRaises(concurrent.futures.TimeoutError):
            next(values)
        states = {job['outcome']['state'] for job in self.server.jobs.values()}
        self.assertEqual(states, {'finished', 'cancelled'})

    def test_the_first_error_is_raised(self):
        values = self.executor().map(self.square, [1, 2])
        self.server.fail(self.server.next_job()['id'], type='ValueError', message='no')
        with self.assertRaises(ValueError):
            next(values)


class Shutdown(ExecutorTest):
    def test_leaving_it_waits_for_everything(self):
        with Executor() as jobs:
            future, values = jobs.submit(self.square, 1), jobs.map(self.square, [2])
            ends = [self.server.next_job() for _ in range(2)]
            threading.Timer(0.1, lambda: [self.server.finish(job['id'], '7') for job in ends]).start()
        self.assertTrue(future.done())
        self.assertEqual((future.result(0), list(values)), (7, [7]))
        with self.assertRaises(RuntimeError):
            jobs.submit(self.square, 1)

    def test_it_need_not_wait_and_may_cancel(self):
        jobs = Executor()
        future, values = jobs.submit(self.square, 1), jobs.map(self.square, [2])
        began = time.monotonic()
        jobs.shutdown(wait=True, cancel_futures=True)
        self.assertTrue(future.cancelled())
        with self.assertRaises(culm.CallCancelled):
            next(values)
        self.assertLess(time.monotonic() - began, DEADLINE_SECONDS)

    def test_what_goes_on_after_it_still_ends_its_future(self):
        jobs = Executor()
        future = jobs.submit(self.square, 1)
        jobs.shutdown(wait=False)
        self.server.finish(future.call.job_id, '1')
        self.assertEqual(future.result(DEADLINE_SECONDS), 1)


class Jobs(ExecutorTest):
    def test_a_job_that_waits_for_futures_gives_its_slot_away(self):
        pilot = FakePilot(self.server, 1)
        self.addCleanup(pilot.close)
        self.assertEqual(self.steps.gather(4), ([0, 1, 4, 9], True, [0, 1, 4, 9]))
        self.assertIn('awaiting', [what for what, _ in pilot.moves])


if __name__ == '__main__':
    import unittest

    unittest.main()
