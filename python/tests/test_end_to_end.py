"""The whole way, through a real server with a local pilot: CULM_TEST_SERVER is its address, CULM_TEST_TOKEN a token."""

from __future__ import annotations

import concurrent.futures
import os
import signal
import subprocess
import sys
import time
import unittest
import unittest.mock

from support import DEADLINE_SECONDS, PYTHON_FOLDER, FolderTest, end_session, eventually

import culm
from culm import Client, _scope, session

SERVER, TOKEN = os.environ.get('CULM_TEST_SERVER', ''), os.environ.get('CULM_TEST_TOKEN', '')

SOURCE = """
    import concurrent.futures, os, signal, sys, time
    from culm import work, workflow
    from beside import OFFSET

    @work
    def add(x, y=0):
        return x + y

    @work
    def same(x):
        return x

    @work
    def leaf(x):
        return x + OFFSET

    @work
    def branch(x):
        return sum(leaf.map([x, x]))

    @work
    def root(x):
        return branch(x) + leaf(x)

    @work
    def threads(n):
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            return list(pool.map(leaf, range(n)))

    @work
    def failing(x):
        print('about to fail')
        raise ValueError(f'no {x}')

    def plain(x):
        return -x

    @work
    def killed():
        os.kill(os.getpid(), signal.SIGKILL)

    @work
    def sleeping():
        time.sleep(600)

    @work
    def incomplete():
        import no_such_package

    @work
    def big(n):
        return 'é' * n

    @work(init_env='export GREETING=hello', post_script='echo left: $(cat left)')
    def prepared(name):
        import os
        print(os.environ['GREETING'])
        with open('left', 'w') as file:
            file.write(name)
        return os.environ['GREETING'] + ', ' + name

    @work(init_env='. /no/such/setup.sh')
    def unprepared(x):
        return x

    @work
    def place():
        return sys.executable, sys.prefix, os.path.basename(__file__)

    @work
    def length(x, scale=1):
        return len(x) * scale

    class Box:
        def __init__(self, items):
            self.items = items

    @work(codec='pickle')
    def doubled(box):
        return Box(box.items * 2)

    def make(n):
        return work(lambda x: x + n)

    @work
    def nested(n):
        return make(n).map([1, 2]).result()

    @workflow
    def main(n):
        return {'sum': sum(leaf.map(range(n))), 'root': root(1)}

    @workflow
    def unlucky():
        return failing(7)

    @workflow(attempts=2)
    def dies_once(marker):
        total = sum(leaf.map(range(3)))
        if not os.path.exists(marker):
            open(marker, 'w').close()
            os.kill(os.getpid(), signal.SIGKILL)
        return total + leaf(total)

    if __name__ == '__main__':
        print(main(4), list(add.map([1, 2], y=10)))
"""


@unittest.skipUnless(SERVER and TOKEN, 'CULM_TEST_SERVER and CULM_TEST_TOKEN name no server')
class EndToEnd(FolderTest):
    def setUp(self):
        super().setUp()
        before = dict(os.environ)
        os.environ.update(CULM_SERVER=SERVER, CULM_TOKEN=TOKEN)
        self.addCleanup(lambda: (os.environ.clear(), os.environ.update(before)))
        self.addCleanup(end_session)
        self.client = Client()
        self.addCleanup(self.client.close)
        # Modules of a name of their own: what an earlier test has bundled in this process is known by its file.
        self.write('beside.py', 'OFFSET = 1\n')
        self.write('flow.py', SOURCE)
        self.flow = self.load('flow')

    def raised(self, kind, call):
        with self.assertRaises(kind) as caught:
            call.result(DEADLINE_SECONDS)
        return caught.exception

    def test_calls_give_values_falsy_ones_too(self):
        self.assertEqual(self.flow.add(1, y=2), 3)
        for value in (None, False, 0, '', [], {}, (1, {2, 3}), b'\x00', {1: 2.0}, float('inf'), 2**70, '\ud800é\0'):
            self.assertEqual(self.flow.same(value), value)

    def test_calls_that_follow_each_other_cost_no_fixed_wait(self):
        began = time.monotonic()
        self.assertEqual([self.flow.same(n) for n in range(30)], list(range(30)))
        self.assertLess(time.monotonic() - began, DEADLINE_SECONDS)

    def test_a_map_keeps_the_order_and_goes_in_parts_when_it_is_large(self):
        before = _scope.MAX_JOBS_PER_REQUEST
        _scope.MAX_JOBS_PER_REQUEST = 20
        self.addCleanup(setattr, _scope, 'MAX_JOBS_PER_REQUEST', before)
        calls = self.flow.add.map(range(50), y=100)
        self.assertEqual(sorted(calls.as_completed()), [(n, n + 100) for n in range(50)])
        self.assertEqual(list(calls), [n + 100 for n in range(50)])
        eventually(lambda: self.client.get(f'/v1/tasks/{calls.task_id}')['state'] == 'done', 'the end of the task')

    def test_a_workflow_s_value_is_kept(self):
        value = self.flow.main(4)
        self.assertEqual(value, {'sum': 10, 'root': 6})
        newest = self.client.get('/v1/workflows', {'limit': 1})['items'][0]
        self.assertEqual(
            (newest['name'], newest['state'], newest['value']), ('main', 'done', {'text': '{"sum":10,"root":6}'})
        )

    def test_a_workflow_s_error_is_kept_with_both_tracebacks(self):
        with self.assertRaises(ValueError) as caught:
            self.flow.unlucky()
        self.assertIn('File "flow.py"', caught.exception.remote_traceback)
        newest = self.client.get('/v1/workflows', {'limit': 1})['items'][0]
        self.assertEqual((newest['state'], newest['error']['type']), ('failed', 'culm.UserError'))
        self.assertIn('no 7', newest['error']['message'])
        self.assertIn('in unlucky', newest['error']['stack'])

    def test_a_workflow_function_that_runs_as_a_job_is_one_workflow_and_goes_on_when_it_is_lost(self):
        call = self.flow.dies_once.submit(os.path.join(self.folder, 'marker'))
        self.assertEqual(call.result(DEADLINE_SECONDS), 13)
        row = self.client.get(f'/v1/workflows/{call.workflow_id}')
        self.assertEqual((row['kind'], row['state'], row['value']), ('job', 'done', {'text': '13'}))
        self.assertEqual(len(self.client.get(f'/v1/jobs/{call.job_id}')['attempts']), 2)
        tasks = self.client.get('/v1/tasks', {'workflowId': call.workflow_id})['items']
        self.assertEqual(
            sorted((t['name'], t['counts']['total']) for t in tasks), [('dies_once', 1), ('leaf', 1), ('leaf', 3)]
        )

    def test_an_executor_runs_works_and_plain_functions(self):
        with culm.Executor() as jobs:
            futures = [jobs.submit(self.flow.add, n, y=1) for n in range(20)]
            self.assertEqual(sum(f.result() for f in concurrent.futures.as_completed(futures)), 210)
            self.assertEqual(list(jobs.map(self.flow.plain, range(3))), [0, -1, -2])
            self.assertIsInstance(jobs.submit(self.flow.failing, 1).exception(), ValueError)
            asleep = jobs.submit(self.flow.sleeping)
            self.assertTrue(asleep.cancel())

    def test_an_error_tells_what_was_printed_and_where_there_is_more(self):
        error = self.raised(ValueError, self.flow.failing.submit(7))
        self.assertEqual(error.log, 'about to fail')
        self.assertIn(f'{SERVER}/{error.job_id}', str(error))

    def test_an_error_has_the_lines_of_the_user_and_its_job_a_log(self):
        error = self.raised(ValueError, self.flow.failing.submit(7))
        self.assertIsInstance(error, culm.UserError)
        self.assertIn("raise ValueError(f'no {x}')", str(error))
        job = self.client.get(f'/v1/jobs/{error.job_id}')
        self.assertEqual((job['state'], job['cause'], len(job['attempts'])), ('failed', 'user', 1))
        self.printed(error.job_id, 'about to fail')

    def printed(self, job_id, wanted):
        """What the job has printed, as soon as this is among it."""
        printed, after = '', {}
        while wanted not in printed:
            page = self.client.get(f'/v1/jobs/{job_id}/log', {'waitSeconds': 10, **after})
            printed += ''.join(chunk['text'] for chunk in page['items'])
            self.assertFalse(page['ended'] and wanted not in printed, printed)
            after = {'after': page['next']}
        return printed

    def test_other_ends_are_told_apart(self):
        self.raised(
            culm.RunnerError, self.flow.killed.with_options(attempts={'lost': 1, 'site': 1, 'user': 1}).submit()
        )
        self.assertIn('install it there', str(self.raised(culm.BundleError, self.flow.incomplete.submit())))
        self.raised(culm.WallTimeLimit, self.flow.sleeping.with_options(wall_seconds=1).submit())

    def test_a_work_runs_where_it_says(self):
        call = self.flow.prepared.submit('Ann')
        self.assertEqual(call.result(DEADLINE_SECONDS), 'hello, Ann')
        self.assertEqual(self.printed(call.job_id, 'left: Ann\n'), 'hello\nleft: Ann\n')

    def test_a_place_that_cannot_be_made_stops_the_task_at_its_first_job(self):
        outcomes = self.flow.unprepared.map(range(1000)).settle(DEADLINE_SECONDS)
        states = {outcome.state for outcome in outcomes}
        self.assertEqual(states, {'failed', 'cancelled'})
        failed = [outcome for outcome in outcomes if outcome.state == 'failed']
        self.assertLess(len(failed), 20)
        self.assertIsInstance(failed[0].error, culm.EnvironmentFailed)
        self.assertIn('/no/such/setup.sh', str(failed[0].error))

    def test_a_call_can_be_cancelled(self):
        call = self.flow.sleeping.submit()
        self.assertTrue(call.cancel())
        self.raised(culm.CallCancelled, call)

    def test_what_comes_after_a_failure_does_not_run(self):
        first = self.flow.failing.submit(1)
        second = self.flow.add.with_options(after=[first]).submit(1)
        self.raised(culm.ParentFailed, second)
        third = self.flow.add.with_options(after=[self.flow.add.map([1, 2])]).submit(5)
        self.assertEqual(third.result(DEADLINE_SECONDS), 5)

    def test_works_call_works(self):
        self.assertEqual(self.flow.root.submit(1).result(DEADLINE_SECONDS), 6)
        self.assertEqual(self.flow.threads.submit(5).result(DEADLINE_SECONDS), [1, 2, 3, 4, 5])

    def test_large_values_go_both_ways(self):
        self.assertEqual(self.flow.same('x' * 3_000_000), 'x' * 3_000_000)
        self.assertEqual(self.flow.big(1_000_000), 'é' * 1_000_000)

    def test_a_large_value_goes_from_job_to_job_and_not_by_the_caller(self):
        big = self.flow.same.submit('x' * 2_000_000)
        asked = []
        get_bytes = Client.get_bytes

        def fetching(client, address):
            asked.append(address)
            return get_bytes(client, address)

        with unittest.mock.patch.object(Client, 'get_bytes', fetching):
            call = self.flow.length.submit(big)
            self.assertEqual(call.result(DEADLINE_SECONDS), 2_000_000)
            lengths = self.flow.length.map(self.flow.same.map(['y' * 1_500_000, 'z']), scale=2)
            self.assertEqual(lengths.result(DEADLINE_SECONDS), [3_000_000, 2])
        self.assertEqual(asked, [])
        args = self.client.get(f'/v1/jobs/{call.job_id}')['args']['text']
        self.assertRegex(args, r'^{"a":\[{"\$culm":"stored","v":{"blob":"[0-9a-f]{64}","bytes":2000002}}\]}$')

    def test_works_without_a_module_run(self):
        made = self.flow.make(10)
        self.assertEqual(made.map([1, 2]).result(DEADLINE_SECONDS), [11, 12])
        self.assertEqual(self.flow.nested.submit(5).result(DEADLINE_SECONDS), [6, 7])

    def test_pickles_go_both_ways(self):
        box = self.flow.Box([1])
        back = self.flow.doubled.submit(box).result(DEADLINE_SECONDS)
        self.assertEqual((type(back), back.items), (self.flow.Box, [1, 1]))

    def test_the_caller_s_own_interpreter_runs_it(self):
        self.assertEqual(self.flow.place(), (sys.executable, sys.prefix, 'flow.py'))

    def test_the_environment_of_the_caller_is_used(self):
        folder = os.path.join(self.folder, 'environment')
        subprocess.run([sys.executable, '-m', 'venv', '--without-pip', '--symlinks', folder], check=True, timeout=60)
        path = self.write('asking.py', "import flow\nif __name__ == '__main__':\n    print(flow.place()[1])\n")
        out, err = self.program(path, os.path.join(folder, 'bin', 'python')).communicate(timeout=60)
        self.assertEqual((out.strip(), err), (folder, ''))

    def test_threads_and_awaits(self):
        import asyncio

        async def gather():
            return await asyncio.gather(*(self.flow.add.aio(n) for n in range(10)))

        with session('threads'), concurrent.futures.ThreadPoolExecutor(8) as pool:
            self.assertEqual(list(pool.map(self.flow.add, range(10))), list(range(10)))
            self.assertEqual(asyncio.run(gather()), list(range(10)))

    def program(self, path, python=sys.executable):
        env = {**os.environ, 'PYTHONPATH': PYTHON_FOLDER}
        return subprocess.Popen([python, path], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def test_a_plain_script_runs_as_it_is(self):
        out, err = self.program(os.path.join(self.folder, 'flow.py')).communicate(timeout=60)
        self.assertEqual((out, err), ("{'sum': 10, 'root': 6} [11, 12]\n", ''))

    def test_ctrl_c_cancels_a_workflow_and_its_jobs(self):
        path = self.write(
            'waiting.py',
            """
            import flow
            from culm import workflow

            @workflow
            def wait():
                call = flow.sleeping.submit()
                print(call._scope.workflow_id, flush=True)
                call.result()

            if __name__ == '__main__':
                wait()
            """,
        )
        program = self.program(path)
        workflow_id = program.stdout.readline().strip()
        program.send_signal(signal.SIGINT)
        _, err = program.communicate(timeout=60)
        self.assertIn('KeyboardInterrupt', err)
        self.assertEqual(self.client.get(f'/v1/workflows/{workflow_id}')['state'], 'cancelled')


if __name__ == '__main__':
    unittest.main()
