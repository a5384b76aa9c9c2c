"""Workflow functions that run as jobs: the fake server of `support.py`, and real runners where it matters."""

from __future__ import annotations

import _thread
import asyncio
import os
import subprocess
import sys
import threading
import uuid

from support import DEADLINE_SECONDS, PYTHON_FOLDER, Drop, FakePilot, ServerTest, eventually

import culm
from culm import CulmError, _run

SOURCE = """
    from culm import work, workflow

    @work
    def leaf(x):
        return x + 1

    @workflow(name='scan', labels={'campaign': 'mc26'})
    def main(n, fail=False):
        if fail:
            raise ValueError('as asked')
        return sum(leaf.map(range(n)))

    @workflow(local=False, cores=2, attempts=3)
    def remote(n):
        return [leaf(n), inner.submit(n).result()]

    @workflow(local=False)
    def inner(x):
        return leaf(x)

    @workflow
    def outer(n):
        call = inner.submit(n)
        return [call.result(), inner(n), call.workflow_id]

    if __name__ == '__main__':
        print(main(3))
"""


def streams():
    return {thread.ident for thread in threading.enumerate() if thread.name == 'culm-stream'}


class SubmittedTest(ServerTest):
    def setUp(self):
        super().setUp()
        self.write('flow.py', SOURCE)
        self.flow = self.load('flow')

    def run_jobs(self, slots=1):
        pilot = FakePilot(self.server, slots)
        self.addCleanup(pilot.close)

    @property
    def row(self):
        (workflow_row,) = self.server.workflows.values()
        return workflow_row


class Submitted(SubmittedTest):
    def test_it_is_one_workflow_with_its_job_and_what_that_calls(self):
        call = self.flow.main.submit(3)
        self.assertEqual((call.workflow_id, call.job_id), (self.row['id'], self.row['job']['jobId']))
        self.assertFalse(call.done())
        self.run_jobs()
        self.assertEqual(call.result(DEADLINE_SECONDS), 6)
        self.assertEqual((self.row['kind'], self.row['name'], self.row['state']), ('job', 'scan', 'done'))
        self.assertEqual(self.row['labels'], {'campaign': 'mc26'})
        tasks = list(self.server.tasks.values())
        self.assertEqual([(task['name'], len(task['jobs'])) for task in tasks], [('scan', 1), ('leaf', 3)])
        self.assertEqual(tasks[1]['scope'], call.job_id)

    def test_nothing_holds_it_once_it_was_looked_at(self):
        self.run_jobs()
        before = streams()
        call = self.flow.main.submit(2)
        self.assertEqual(streams(), before)
        self.assertEqual([call.result(DEADLINE_SECONDS) for _ in range(2)], [3, 3])
        eventually(lambda: streams() <= before, 'the end of its stream')
        self.assertTrue(call.done())

    def test_it_raises_the_error_of_its_function(self):
        self.run_jobs()
        with self.assertRaises(ValueError) as caught:
            self.flow.main.submit(1, fail=True).result(DEADLINE_SECONDS)
        self.assertIn("raise ValueError('as asked')", str(caught.exception))
        self.assertEqual(self.row['state'], 'failed')

    def test_a_wait_may_have_a_limit_and_it_may_be_cancelled_once(self):
        call = self.flow.main.submit(1)
        with self.assertRaises(TimeoutError):
            call.result(0.01)
        self.assertTrue(call.cancel())
        self.assertFalse(call.cancel())
        with self.assertRaises(culm.CallCancelled):
            call.result(DEADLINE_SECONDS)

    def test_it_may_be_retried_and_is_waited_for_anew(self):
        call = self.flow.main.submit(1)
        with self.assertRaises(CulmError) as caught:
            call.retry()
        self.assertEqual(caught.exception.code, 'not_retriable')
        self.server.fail(call.job_id, type='ValueError', message='no data')
        with self.assertRaises(ValueError):
            call.result(DEADLINE_SECONDS)
        self.assertEqual(call.retry(), 1)
        self.assertFalse(call.done())
        self.server.finish(call.job_id, '5')
        self.assertEqual(call.result(DEADLINE_SECONDS), 5)

    def test_it_may_be_awaited(self):
        self.run_jobs()

        async def both():
            return await asyncio.gather(self.flow.main.submit(1), self.flow.main.submit(2))

        self.assertEqual(asyncio.run(both()), [1, 3])

    def test_a_plain_call_may_do_it_and_gives_the_value(self):
        self.run_jobs()
        self.assertEqual(self.flow.remote(4), [5, 5])
        task = next(iter(self.server.tasks.values()))
        self.assertEqual((task['cores'], task['attempts']), (2, {'user': 3}))
        self.assertEqual(len(self.server.workflows), 1)

    def test_inside_a_workflow_it_is_a_job_of_that(self):
        self.run_jobs()
        value = self.flow.outer(1)
        self.assertEqual(value, [2, 2, self.row['id']])
        self.assertEqual(self.row['kind'], 'function')

    def test_a_submission_whose_reply_was_lost_makes_one_workflow(self):
        lost = [Drop(), Drop()]

        def hook(when, method, path):
            if when == 'after' and path == '/v1/workflows' and lost:
                raise lost.pop()

        self.server.hooks.append(hook)
        self.flow.main.submit(1)
        self.assertEqual((len(self.server.workflows), len(self.server.tasks)), (1, 1))

    def test_options_and_arguments_that_it_does_not_take_are_refused_here(self):
        with self.assertRaises(TypeError):
            culm.workflow(memory=7)
        with self.assertRaises(TypeError):
            self.flow.main.submit()


class Continued(SubmittedTest):
    def setUp(self):
        super().setUp()
        self.addCleanup(_run._begin_anew)
        self.run_id = str(uuid.uuid4())

    def again(self):
        """The same program, started once more."""
        _run._run = _run._Run(self.run_id)

    def test_a_program_that_is_started_again_has_the_workflows_that_it_had_submitted(self):
        self.again()
        first = [self.flow.main.submit(1), self.flow.main.submit(2)]
        self.again()
        second = [self.flow.main.submit(1), self.flow.main.submit(2)]
        self.assertEqual([c.workflow_id for c in first], [c.workflow_id for c in second])
        self.server.fail(first[0].job_id, type='ValueError', message='no')
        self.again()
        with self.assertRaises(ValueError):
            self.flow.main.submit(1).result(DEADLINE_SECONDS)
        self.again()
        with self.assertRaises(culm.ArgumentsChanged):
            self.flow.main.submit(7)

    def test_a_whole_program_may_run_its_workflows_as_jobs(self):
        self.run_jobs()
        env = {**os.environ, 'PYTHONPATH': PYTHON_FOLDER, 'CULM_REMOTE': '1', 'CULM_RUN': self.run_id}
        for _ in range(2):
            done = subprocess.run(
                [sys.executable, os.path.join(self.folder, 'flow.py')],
                env=env,
                capture_output=True,
                text=True,
                timeout=60,
            )
            self.assertEqual((done.stdout, done.stderr), ('6\n', ''))
        self.assertEqual((self.row['kind'], self.row['run']['key']), ('job', 'flow.py#main@job:1'))


class Interrupted(SubmittedTest):
    def test_a_call_that_waits_is_cancelled_by_ctrl_c(self):
        def interrupt():
            self.server.wait(lambda: self.server.streams)
            _thread.interrupt_main()

        threading.Thread(target=interrupt, daemon=True).start()
        with self.assertRaises(KeyboardInterrupt):
            self.flow.remote(1)
        self.assertEqual(self.row['state'], 'cancelled')


if __name__ == '__main__':
    import unittest

    unittest.main()
