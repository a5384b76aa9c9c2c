"""Works that call works: real runners, the fake server and pilot of `support.py`, and never more slots than said."""

from __future__ import annotations

from support import DEADLINE_SECONDS, FakePilot, ServerTest

import culm

SOURCE = """
    import asyncio, concurrent.futures, os, threading
    from culm import work, workflow

    @work
    def leaf(x):
        return x + 1

    @work
    def branch(x):
        return sum(leaf.map([x, x]))

    @work
    def root(x):
        return branch(x) + leaf(x)

    @work
    def many(n):
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            return list(pool.map(leaf, range(n)))

    @work
    async def gathered(n):
        return await asyncio.gather(*(leaf.aio(i) for i in range(n)))

    @work
    def fib(n):
        if n < 2:
            return n
        a, b = fib.submit(n - 1), fib.submit(n - 2)
        return a.result() + b.result()

    @work
    def failing(x):
        return broken(x)

    @work
    def broken(x):
        raise ValueError(f'no {x}')

    @work
    def forking():
        pid = os.fork()
        if pid == 0:
            try:
                leaf(1)
            except Exception as error:
                os._exit(len(error.code))
            os._exit(0)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    @work
    def in_order(n):
        return [value for _, value in sorted(leaf.map(range(n)).as_completed())]

    @workflow
    def inner(x):
        return leaf(x)

    @work
    def runs_a_workflow(x):
        return inner(x)

    @work
    def computes_meanwhile(x):
        ended = []
        def compute():
            while not ended:
                sum(range(1000))
        thread = threading.Thread(target=compute)
        thread.start()
        ended.append(leaf(x))
        thread.join()
        return ended

    @work
    def forgets(x):
        leaf.submit(x)
        return x
"""


class Nested(ServerTest):
    def start(self, slots=1):
        self.write('deep.py', SOURCE)
        self.deep = self.load('deep')
        self.pilot = FakePilot(self.server, slots)
        self.addCleanup(self.pilot.close)
        return self.deep

    def value(self, call):
        return call.result(DEADLINE_SECONDS)

    def test_one_slot_and_three_levels_complete(self):
        self.assertEqual(self.value(self.start().root.submit(1)), 6)
        root = self.pilot.moves[0][1]
        self.assertEqual([m for m, job in self.pilot.moves if job == root], ['awaiting', 'woken'] * 2 + ['done'])

    def test_recursion_completes_in_one_slot(self):
        self.assertEqual(self.value(self.start().fib.submit(5)), 5)

    def test_threads_of_a_job_give_its_slot_back_together(self):
        self.assertEqual(self.value(self.start().many.submit(6)), [1, 2, 3, 4, 5, 6])

    def test_an_async_job_gives_its_slot_back(self):
        self.assertEqual(self.value(self.start().gathered.submit(6)), [1, 2, 3, 4, 5, 6])

    def test_results_as_they_come_give_the_slot_back(self):
        self.assertEqual(self.value(self.start().in_order.submit(5)), [1, 2, 3, 4, 5])

    def test_a_job_that_calls_nothing_keeps_its_slot(self):
        self.assertEqual(self.value(self.start().leaf.submit(1)), 2)
        self.assertEqual([m for m, _ in self.pilot.moves], ['done'])

    def test_a_job_that_computes_in_another_thread_keeps_its_slot(self):
        self.assertEqual(self.value(self.start(slots=2).computes_meanwhile.submit(1)), [2])
        self.assertEqual([m for m, _ in self.pilot.moves], ['done', 'done'])

    def test_an_error_two_levels_down_tells_of_both(self):
        with self.assertRaises(culm.UserError) as caught:
            self.value(self.start().failing.submit(7))
        text = str(caught.exception)
        self.assertIn('no 7', text)
        self.assertIn('in failing', text)
        self.assertIn('in broken', text)

    def test_calls_of_a_job_are_journalled_under_it_and_use_its_bundle(self):
        self.value(self.start().root.submit(1))
        tasks = list(self.server.tasks.values())
        self.assertEqual([t['scope'] for t in tasks[:2]], ['driver', self.server.job_of(tasks[0]['id'])])
        self.assertEqual(len({t['payload']['bundle'] for t in tasks}), 1)
        self.assertEqual({t['workflowId'] for t in tasks}, {tasks[0]['workflowId']})
        self.assertEqual(len(self.server.requests_of('POST', '/v1/bundles')), 2)

    def test_a_workflow_function_in_a_job_is_a_part_of_it(self):
        self.assertEqual(self.value(self.start().runs_a_workflow.submit(1)), 2)
        self.assertEqual(len(self.server.workflows), 1)

    def test_a_process_that_a_job_forked_may_not_call(self):
        self.assertEqual(self.value(self.start().forking.submit()), len('call_in_fork'))

    def test_a_job_that_forgets_its_calls_ends(self):
        self.assertEqual(self.value(self.start().forgets.submit(1)), 1)

    def test_works_of_a_plain_script_call_each_other(self):
        import os
        import subprocess
        import sys

        from support import PYTHON_FOLDER

        self.start()
        path = self.write('script.py', SOURCE + '\n    if __name__ == "__main__":\n        print(root(1), fib(4))\n')
        env = {**os.environ, 'PYTHONPATH': PYTHON_FOLDER}
        done = subprocess.run([sys.executable, path], env=env, capture_output=True, text=True, timeout=60)
        self.assertEqual((done.stdout, done.stderr), ('6 3\n', ''))


if __name__ == '__main__':
    import unittest

    unittest.main()
