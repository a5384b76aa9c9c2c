"""Workflow functions and sessions, against the fake server of `support.py`."""

from __future__ import annotations

import concurrent.futures
import json
import os
import signal
import subprocess
import sys
import threading
import warnings

from support import DEADLINE_SECONDS, PYTHON_FOLDER, Drop, Problem, ServerTest

import culm
from culm import CulmError, session, work, workflow


@work
def square(x):
    return x * x


@workflow
def main(n, fail=None):
    values = square.map(range(n)).result() if n else []
    if fail:
        raise fail
    return values


@workflow
def outer():
    return [main(1), main(2)]


@workflow(name='scan', labels={'campaign': 'mc26'})
async def scan(n):
    return await square.aio(n)


class WorkflowTest(ServerTest):
    def setUp(self):
        super().setUp()
        server = threading.Thread(target=self._serve, daemon=True)
        server.start()
        self.addCleanup(self.server.ready.put, None)

    def _serve(self):
        while True:
            job = self.server.ready.get()
            if job is None:
                return
            if self.server.tasks[job['taskId']]['name'] == 'square':
                self.server.finish(job['id'], str(json.loads(job['args']['text'])['a'][0] ** 2))

    @property
    def row(self):
        (workflow_row,) = self.server.workflows.values()
        return workflow_row


class Workflows(WorkflowTest):
    def test_a_workflow_gives_its_value_and_the_server_keeps_it(self):
        self.assertEqual(main(3), [0, 1, 4])
        self.assertEqual((self.row['name'], self.row['kind'], self.row['state']), ('main', 'function', 'done'))
        self.assertEqual(self.row['ended'], {'epoch': 1, 'state': 'done', 'value': {'text': '[0,1,4]'}})
        self.assertEqual(self.server.tasks[next(iter(self.server.tasks))]['call']['epoch'], 1)

    def test_falsy_values_are_kept_too(self):
        main(0)
        self.assertEqual(self.row['ended']['value'], {'text': '[]'})

    def test_an_error_ends_it_with_the_lines_of_the_user(self):
        with self.assertRaises(ZeroDivisionError):
            main(1, fail=ZeroDivisionError('none left'))
        ended = self.row['ended']
        self.assertEqual(
            (ended['state'], ended['error']['type'], ended['error']['message']),
            ('failed', 'ZeroDivisionError', 'none left'),
        )
        self.assertIn('raise fail', ended['error']['stack'])
        self.assertNotIn('culm/_workflow.py', ended['error']['stack'])

    def test_a_value_that_cannot_be_kept_is_still_the_caller_s(self):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter('always', UserWarning)
            value = workflow(lambda: object)()
        self.assertIs(value, object)
        self.assertEqual(self.row['ended'], {'epoch': 1, 'state': 'done'})
        self.assertIn('is not kept', str(caught[0].message))

    def test_an_end_that_could_not_be_told_loses_nothing_for_the_caller(self):
        def hook(when, method, path):
            if when == 'before' and path.endswith('/end'):
                raise Problem(403, 'forbidden')

        self.server.hooks.append(hook)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter('always', UserWarning)
            self.assertEqual(main(2), [0, 1])
        self.assertIn('does not know how', str(caught[0].message))

    def test_an_end_whose_reply_was_lost_is_told_once(self):
        lost = [Drop()]

        def hook(when, method, path):
            if when == 'after' and path.endswith('/end') and lost:
                raise lost.pop()

        self.server.hooks.append(hook)
        with warnings.catch_warnings():
            warnings.simplefilter('error', UserWarning)
            self.assertEqual(main(2), [0, 1])
        self.assertEqual(self.row['state'], 'done')

    def test_a_workflow_inside_another_is_a_part_of_it(self):
        self.assertEqual(outer(), [[0], [0, 1]])
        self.assertEqual(self.row['name'], 'outer')

    def test_an_async_workflow_is_run_to_its_end(self):
        self.assertEqual(scan(4), 16)
        self.assertEqual((self.row['name'], self.row['labels']), ('scan', {'campaign': 'mc26'}))

    def test_workflows_in_several_threads_are_several(self):
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            self.assertEqual(list(pool.map(main, [1, 2, 3, 4])), [[n * n for n in range(k)] for k in (1, 2, 3, 4)])
        self.assertEqual(len(self.server.workflows), 4)
        sizes = sorted(sum(t['workflowId'] == w for t in self.server.tasks.values()) for w in self.server.workflows)
        self.assertEqual(sizes, [1, 1, 1, 1])

    def test_threads_of_a_workflow_call_for_it(self):
        @workflow
        def threads():
            with concurrent.futures.ThreadPoolExecutor(4) as pool:
                return list(pool.map(square, range(8)))

        self.assertEqual(threads(), [n * n for n in range(8)])
        self.assertEqual(self.row['name'], 'threads')

    def test_the_driver_says_that_it_lives(self):
        self.server.renew_seconds = 0.01

        @workflow
        def long():
            self.server.wait(lambda: len(self.row.get('renewals', [])) >= 3)

        long()
        self.assertEqual(set(self.row['renewals']), {1})

    def test_a_workflow_that_was_cancelled_elsewhere_ends_its_waits(self):
        self.server.renew_seconds = 0.01
        with self.assertRaises(CulmError) as caught:
            _cancelled_elsewhere(self.server)
        self.assertIn(caught.exception.code, ('workflow_ended', 'cancelled'))

    def test_after_its_end_it_takes_no_more_calls(self):
        scopes = []

        @workflow
        def leaky():
            from culm._scope import enclosing_scope

            scopes.append(enclosing_scope())

        leaky()
        with self.assertRaises(CulmError) as caught:
            scopes[0].check()
        self.assertEqual(caught.exception.code, 'workflow_ended')

    def test_the_function_itself_is_there_to_test(self):
        self.assertEqual(main.local(0), [])
        self.assertEqual(self.server.workflows, {})

    def test_a_child_that_a_workflow_forked_calls_for_itself(self):
        path = self.write(
            'program.py',
            """
            import os, sys
            from culm import work, workflow

            @work
            def square(x):
                return x * x

            @workflow
            def main():
                pid = os.fork()
                value = square(3)
                if pid == 0:
                    sys.stdout.write(f'{value} of the child')
                    sys.stdout.flush()
                    os._exit(0)
                return value, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

            if __name__ == '__main__':
                print(main())
            """,
        )
        env = {**os.environ, 'PYTHONPATH': PYTHON_FOLDER}
        done = subprocess.run([sys.executable, '-W', 'ignore', path], env=env, capture_output=True, text=True, timeout=60)
        self.assertEqual((done.stdout, done.stderr), ('9 of the child(9, 0)\n', ''))
        self.assertEqual([w['kind'] for w in self.server.workflows.values()], ['function', 'session'])

    def test_ctrl_c_cancels_it(self):
        path = self.write(
            'program.py',
            """
            from culm import work, workflow

            @work
            def never():
                pass

            @workflow
            def main():
                call = never.submit()
                print(call.job_id, flush=True)
                call.result()

            if __name__ == '__main__':
                main()
            """,
        )
        env = {**os.environ, 'PYTHONPATH': PYTHON_FOLDER}
        program = subprocess.Popen(
            [sys.executable, path], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.assertTrue(program.stdout.readline().startswith('j'))
        program.send_signal(signal.SIGINT)
        _, err = program.communicate(timeout=DEADLINE_SECONDS)
        self.assertIn('KeyboardInterrupt', err)
        self.assertEqual(self.row['state'], 'cancelled')


@work
def wait_for_ever():
    pass


@workflow
def _cancelled_elsewhere(server):
    call = wait_for_ever.submit()
    with server.lock:
        server.workflows[call._scope.workflow_id]['state'] = 'cancelled'
    call.result(DEADLINE_SECONDS)


class Sessions(WorkflowTest):
    def test_a_session_gathers_calls_under_a_name(self):
        with session('study', labels={'a': 'b'}) as workflow_id:
            self.assertEqual(square(3), 9)
        self.assertEqual(self.row['id'], workflow_id)
        self.assertEqual((self.row['name'], self.row['kind'], self.row['state']), ('study', 'session', 'done'))

    def test_a_session_that_ends_in_an_error_failed(self):
        with self.assertRaises(KeyError), session():
            raise KeyError('x')
        self.assertEqual(self.row['ended']['error']['type'], 'KeyError')

    def test_calls_outside_share_one_session(self):
        self.assertEqual([square(1), square(2)], [1, 4])
        self.assertEqual(self.row['kind'], 'session')

    def test_a_workflow_beside_the_session_is_its_own(self):
        square(1)
        main(1)
        self.assertEqual([w['kind'] for w in self.server.workflows.values()], ['session', 'function'])

    def test_errors_are_caught_by_their_names_outside(self):
        self.assertTrue(issubclass(culm.UserError, culm.RemoteError) and issubclass(culm.RemoteError, CulmError))


if __name__ == '__main__':
    import unittest

    unittest.main()
