"""Drivers that are killed with -9 and started again with the same CULM_RUN, against a real server with a local pilot.

What counts is what the server has in the end: each call once, and of each job one attempt.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import unittest
import uuid

from support import DEADLINE_SECONDS, PYTHON_FOLDER, FolderTest, eventually

from culm import Client

SERVER, TOKEN = os.environ.get('CULM_TEST_SERVER', ''), os.environ.get('CULM_TEST_TOKEN', '')

SOURCE = """
    import asyncio, os, random, signal, sys, time
    from concurrent.futures import ThreadPoolExecutor
    from culm import journal, work, workflow

    FOLDER = os.path.dirname(os.path.abspath(__file__))

    @work
    def draw(*args):
        time.sleep(0.02)
        return random.randrange(10**9)

    @work
    def double(x):
        return 2 * x

    @work(attempts=3)
    def nested(folder):
        first = draw('nested') + round(journal.random() * 1e6) + journal.once(lambda: os.getpid())
        second = sum(double.map([first] * 3))
        marker = os.path.join(folder, 'died')
        if not os.path.exists(marker):
            open(marker, 'w').close()
            os.kill(os.getpid(), signal.SIGKILL)
        third = double(second)
        return [first, second, third]

    def say(*words):
        print(*words, flush=True)

    @workflow
    def mapping():
        found = []
        for index, value in draw.map(range(30)).as_completed():
            found.append((index, value, double(value)))
            say('step', len(found))
        return found

    @workflow
    async def gathering():
        state = []
        async def one(n):
            for k in range(4):
                state.append(await draw.aio(n, state[-2:]))
                say('step', len(state))
        await asyncio.gather(*(one(n) for n in range(5)))
        return state

    @workflow
    def threading():
        def one(n):
            values = [draw(n)]
            for k in range(5):
                values.append(draw(values))
                say('step', n, k)
            return values
        with ThreadPoolExecutor(4) as pool:
            return list(pool.map(one, range(4)))

    @workflow
    def sleeping():
        values = [draw('before')]
        until = time.time()
        say('step', 1)
        journal.sleep(3)
        say('slept', time.time() - until)
        return values + [draw('after'), journal.random(), str(journal.uuid()), journal.now().isoformat()]

    @workflow
    def straying():
        value = draw(len(os.listdir(FOLDER)))
        say('step', 1)
        return value + draw(value) + draw(1)

    @workflow
    def noops(n):
        return sum(double.map(range(n)))

    if __name__ == '__main__':
        what = sys.argv[1]
        if what == 'session':
            values = [draw('session')]
            for n in range(10):
                values.append(draw(values[-2:]))
                say('step', n)
            say('value', values)
        elif what == 'nested':
            say('value', nested(FOLDER))
        else:
            say('value', globals()[what](*map(int, sys.argv[2:])))
"""


@unittest.skipUnless(SERVER and TOKEN, 'CULM_TEST_SERVER and CULM_TEST_TOKEN name no server')
class Kill(FolderTest):
    def setUp(self):
        super().setUp()
        self.client = Client(SERVER, TOKEN)
        self.addCleanup(self.client.close)
        self.path = self.write('flow.py', SOURCE)
        self.run_id = str(uuid.uuid4())

    def start(self, *args, **env):
        env = {**os.environ, 'PYTHONPATH': PYTHON_FOLDER, 'CULM_SERVER': SERVER, 'CULM_TOKEN': TOKEN, **env}
        program = subprocess.Popen(
            [sys.executable, self.path, *args],
            **{'env': {**env, 'CULM_RUN': self.run_id}, 'text': True},
            **{'stdout': subprocess.PIPE, 'stderr': subprocess.PIPE},
        )
        self.addCleanup(program.stdout.close)
        self.addCleanup(program.stderr.close)
        self.addCleanup(program.kill)
        return program

    def killed(self, steps, *args, keys=0):
        """Starts the program, and kills it when it has said so many steps, and its journal has so many keys."""
        program = self.start(*args)
        for _ in range(steps):
            line = program.stdout.readline()
            self.assertTrue(line, line or program.stderr.read())
        eventually(lambda: not keys or len(self.keys()) >= keys, f'{keys} keys')
        program.send_signal(signal.SIGKILL)
        program.wait()

    def ended(self, *args, **env):
        out, err = self.start(*args, **env).communicate(timeout=2 * DEADLINE_SECONDS)
        return out, err

    def value(self, *args):
        out, err = self.ended(*args)
        self.assertIn('value ', out, err)
        return eval(out.rpartition('value ')[2])

    def workflow(self):
        """The only one of this run."""
        (row,) = self.client.get('/v1/workflows', {'run': self.run_id})['items']
        return row

    def made(self):
        """How many tasks it has made, after a look at the attempts of their jobs."""
        tasks = self.items('/v1/tasks', workflowId=self.workflow()['id'])
        jobs = [job for task in tasks for job in self.items(f'/v1/tasks/{task["id"]}/jobs')]
        self.assertEqual({(job['state'], job['attempt']) for job in jobs}, {('finished', 1)})
        return len(tasks)

    def items(self, path, **query):
        found, after = [], {}
        while True:
            page = self.client.get(path, {**query, **after, 'limit': 100})
            found += page['items']
            if page['next'] is None:
                return found
            after = {'after': page['next']}

    def test_in_the_middle_of_a_map(self):
        for steps in (1, 7, 13):
            self.killed(steps, 'mapping')
        value = self.value('mapping')
        self.assertEqual(sorted(index for index, _, _ in value), list(range(30)))
        self.assertTrue(all(twice == 2 * once for _, once, twice in value))
        self.assertEqual((self.made(), self.workflow()['state']), (31, 'done'))
        self.assertEqual(self.value('mapping'), value)
        self.assertEqual(self.made(), 31)

    def test_while_coroutines_are_gathered(self):
        for steps in (1, 6, 11, 15):
            self.killed(steps, 'gathering')
        self.assertEqual(len(self.value('gathering')), 20)
        self.assertEqual(self.made(), 20)

    def test_in_a_pool_of_threads(self):
        for steps in (1, 6, 14):
            self.killed(steps, 'threading')
        values = self.value('threading')
        self.assertEqual([len(part) for part in values], [6] * 4)
        self.assertEqual(self.made(), 24)

    def test_during_a_sleep_only_the_rest_is_slept(self):
        self.killed(1, 'sleeping', keys=2)
        time.sleep(0.5)  # what goes by while nobody runs counts
        out, err = self.ended('sleeping')
        self.assertLess(float(out.split('slept ')[1].split()[0]), 2.9, err)
        value = eval(out.rpartition('value ')[2])
        self.assertEqual(self.made(), 2)
        self.assertEqual(self.value('sleeping'), value)

    def keys(self):
        page = self.client.get(f'/v1/workflows/{self.workflow()["id"]}/journal', {'scope': 'driver'})
        return [entry['key'] for entry in page['items']]

    def test_a_script_with_no_workflow_function(self):
        for steps in (2, 5):
            self.killed(steps, 'session')
        self.assertEqual(len(self.value('session')), 11)
        self.assertEqual((self.made(), self.workflow()['kind'], self.workflow()['state']), (11, 'session', 'done'))

    def test_other_code_and_other_arguments(self):
        self.killed(3, 'mapping')
        with open(self.path, 'a', encoding='utf-8') as file:
            file.write('\n# changed\n')
        _, err = self.ended('mapping')
        self.assertIn('culm.CodeChanged', err)
        self.assertIn('--accept-code', err)
        out, err = self.ended('mapping', CULM_ACCEPT_CODE='1')
        self.assertIn('value', out, err)
        self.assertEqual(self.made(), 31)

        self.run_id = str(uuid.uuid4())
        self.killed(2, 'session')
        _, err = self.ended('session', 'more')
        self.assertIn('culm.ArgumentsChanged', err)

    def test_lost_determinism_is_told_and_the_workflow_can_be_continued(self):
        self.killed(1, 'straying', keys=2)
        marker = self.write('marker')
        _, err = self.ended('straying', CULM_REPLAY_SECONDS='1')
        self.assertIn('culm.JournalDiverged', err)
        self.assertRegex(err, r'its earlier run called flow.py#draw \(1\) next, which was not called again')
        self.assertIn(self.workflow()['state'], ('running', 'paused'))
        os.unlink(marker)
        self.assertIsInstance(self.value('straying'), int)

    def test_a_job_that_died_goes_on_where_it_was(self):
        first, second, third = self.value('nested')
        self.assertEqual((second, third), (6 * first, 12 * first))
        tasks = self.items('/v1/tasks', workflowId=self.workflow()['id'])
        self.assertEqual(sorted(task['name'] for task in tasks), ['double', 'double', 'draw', 'nested'])

    def test_a_map_of_thousands_is_taken_up_by_its_pages(self):
        n = 3000
        program = self.start('noops', str(n))
        eventually(self.has_jobs, 'the first jobs')
        program.kill()
        program.wait()
        self.assertEqual(self.value('noops', str(n)), n * (n - 1))
        (task,) = self.items('/v1/tasks', workflowId=self.workflow()['id'])
        self.assertEqual(task['counts']['total'], n)

    def has_jobs(self):
        rows = self.client.get('/v1/workflows', {'run': self.run_id})['items']
        return bool(rows and self.items('/v1/tasks', workflowId=rows[0]['id']))


if __name__ == '__main__':
    unittest.main()
