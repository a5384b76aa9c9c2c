"""Programs that die and are continued, against the fake server of `support.py`: this process plays one start after the
other. A kill cuts every request of the start, before it is heard or before it is answered, and ends its waits."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import functools
import io
import json
import os
import random
import subprocess
import sys
import threading
import time
import uuid
import warnings

from support import PYTHON_FOLDER, Drop, ServerTest

import culm
from culm import CulmError, _client, _journal, _run, _scope, _workflow, journal, work, workflow


@work
def value(*args, n=0):
    """The server gives a random number for it, another one each time that it would run."""


@work
def square(x):
    return x * x


class DurableTest(ServerTest):
    maxDiff = None

    def setUp(self):
        super().setUp()
        self.rng = random.Random(self.id())
        self.alive = True
        self.hold = False
        self.may_end = lambda job: True
        self.calls = 0
        before = _workflow.Client
        _workflow.Client = functools.partial(_client.Client, retry_seconds=0)
        self.addCleanup(setattr, _workflow, 'Client', before)
        self.addCleanup(setattr, _run, '_run', _run._run)
        self.run_id = str(uuid.uuid4())
        self._set_env('CULM_REPLAY_SECONDS', '20')
        jobs = threading.Thread(target=self._serve, daemon=True)
        jobs.start()
        self.addCleanup(jobs.join)
        self.addCleanup(self.server.ready.put, None)
        self.addCleanup(setattr, self, 'hold', False)

    def _serve(self):
        """Ends jobs in random order."""
        waiting, open_ = [], True
        while open_ or waiting:
            with contextlib.suppress(Exception):
                job = self.server.ready.get(timeout=0.001 if waiting else 0.05)
                open_ = job is not None
                waiting += [job] if job else []
            able = [job for job in waiting if not self.hold and self.may_end(job)]
            if able and self.rng.random() < 0.7:
                job = self.rng.choice(able)
                waiting.remove(job)
                args = json.loads(job['args']['text'])['a']
                is_value = self.server.tasks[job['taskId']]['name'] == 'value'
                self.server.finish(job['id'], str(self.rng.random() if is_value else args[0] ** 2))
            elif self.hold and not open_:
                return

    def start(self, program, kill_after=None):
        """One start of the program's run. Its value; None when it was killed: at its n-th write, before that is heard
        when `kill_after` is 2n-1, and before it is answered when it is 2n."""
        _run._run = _run._Run(self.run_id)
        self.calls, writes, dead = 0, [], threading.Event()

        def hook(moment, method, path):
            if dead.is_set():
                raise Drop
            if method == 'POST' and path.endswith(('/tasks', '/jobs', '/records', '/end')):
                writes.append(path)
                if len(writes) == kill_after:
                    dead.set()
                    for scope in list(_scope._active):
                        scope.close(CulmError('server_away', 'killed'))
                    raise Drop

        self.server.hooks[:] = [hook]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter('ignore')  # of an end that the dead did not tell
                return program()
        except CulmError as error:
            if not dead.is_set() or error.code not in ('server_away', 'workflow_ended'):
                raise
            return None
        finally:
            self.server.hooks.clear()

    def row(self, n=0):
        return list(self.server.workflows.values())[n]

    def called(self, *args):
        self.calls += 1
        return value.submit(*args)


class Continued(DurableTest):
    def test_a_driver_that_died_goes_on_where_it_was(self):
        @workflow
        def main():
            total, told = 0, []
            for n in range(5):
                total += square(n)
                told.append(total)
            return told

        self.assertIsNone(self.start(main, kill_after=8))
        before = len(self.server.tasks)
        self.assertTrue(0 < before < 5)
        self.assertEqual(self.start(main), [0, 1, 5, 14, 30])
        self.assertEqual(len(self.server.tasks), 5)
        self.assertEqual(len(self.server.workflows), 1)
        self.assertEqual((self.row()['state'], self.row()['epoch']), ('done', 2))
        submitted = [json.loads(body)['call'] for _, _, body, _ in self.server.requests_of('POST', '/v1/tasks')]
        self.assertEqual(submitted[-1]['seen'], '[3,"%s"]' % list(self.server.tasks)[3])

    def test_futures_of_an_executor_go_on_where_they_were(self):
        @workflow
        def main():
            with culm.Executor() as jobs:
                first = [jobs.submit(value, n) for n in range(4)]
                total = sum(future.result() for future in concurrent.futures.as_completed(first))
                second = [jobs.submit(value, future.result()) for future in first]
                return [total, [future.result() for future in second], list(jobs.map(value, range(3)))]

        for kill_after in (3, 10, 13, 18):
            with self.subTest(kill_after=kill_after):
                self.run_id = str(uuid.uuid4())
                before = len(self.server.tasks)
                self.assertIsNone(self.start(main, kill_after=kill_after))
                self.assertIsNotNone(self.start(main))
                self.assertEqual(len(self.server.tasks) - before, 9, 'none was submitted twice')

    def test_a_workflow_that_was_done_gives_its_value_without_running(self):
        ran = []

        @workflow
        def main():
            ran.append(1)
            return {'x': square(3), 'y': (1, None)}

        self.assertEqual(self.start(main), self.start(main))
        self.assertEqual(ran, [1])
        self.assertEqual(len(self.server.tasks), 1)

    def test_a_value_that_was_not_kept_is_made_again_from_the_journal(self):
        @workflow
        def main():
            return lambda x=square(3): x

        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            self.assertEqual(self.start(main)(), 9)
            self.assertEqual(self.start(main)(), 9)
        self.assertEqual(len(self.server.tasks), 1)
        self.assertEqual(len(self.server.requests_of('POST', '/end')), 1)

    def test_equal_functions_are_told_apart_by_their_ordinal_and_sessions_by_their_names(self):
        @workflow
        def part(x):
            return square(x)

        def program():
            with culm.session('study'):
                values = [square(10)]
            return values + [part(1), part(2)]

        self.assertIsNone(self.start(program, kill_after=4))
        self.assertEqual(self.start(program), [100, 1, 4])
        self.assertEqual(len(self.server.tasks), 3)
        keys = [w['run']['key'] for w in self.server.workflows.values()]
        self.assertEqual([key.rpartition('#')[2].rpartition('.')[2] for key in keys], ['study:1', 'part:1', 'part:2'])
        self.assertEqual({w['run']['id'] for w in self.server.workflows.values()}, {self.run_id})

    def test_other_arguments_are_refused(self):
        @workflow
        def main(x, y=0):
            return square(x)

        self.assertIsNone(self.start(lambda: main(1, y=2), kill_after=2))
        with self.assertRaises(culm.ArgumentsChanged) as caught:
            self.start(lambda: main(1, y=3))
        self.assertIn('the same arguments', _errors_help('arguments_changed'))
        self.assertEqual(caught.exception.code, 'arguments_changed')
        self.assertEqual(self.start(lambda: main(1, y=2)), 1)

    def test_other_code_is_refused_unless_it_is_accepted(self):
        source = 'from culm import work, workflow\n@work\ndef triple(x):\n    pass\n@workflow\ndef main():\n'
        path = self.write('flow.py', f'{source}    return square(3)\n'.replace('square', 'triple'))
        self.assertIsNone(self.start(self.load('flow').main, kill_after=2))
        with open(path, 'a', encoding='utf-8') as file:
            file.write('# changed\n')
        with self.assertRaises(culm.CodeChanged):
            self.start(self.load('flow').main)
        self._set_env('CULM_ACCEPT_CODE', '1')
        self.assertEqual(self.start(self.load('flow').main), 9)

    def test_a_map_of_which_a_part_was_sent_is_completed(self):
        for name, number in (('MAX_JOBS_PER_REQUEST', 10), ('_PAGE', 7)):
            self.addCleanup(setattr, _scope, name, getattr(_scope, name))
            setattr(_scope, name, number)

        @workflow
        def main():
            return sum(square.map(range(45)))

        self.assertIsNone(self.start(main, kill_after=5))
        (task,) = self.server.tasks.values()
        self.assertTrue(10 <= len(task['jobs']) < 45)
        self.assertEqual(self.start(main), sum(n * n for n in range(45)))
        self.assertEqual((len(self.server.tasks), len(task['jobs'])), (1, 45))

    def test_a_wait_that_was_in_vain_is_in_vain_again_without_waiting(self):
        @workflow
        def main():
            slow, found = square.submit(2), []
            for _ in range(2):
                try:
                    found.append(slow.result(timeout=0.4))
                except TimeoutError:
                    found.append(square.submit(len(found)).task_id)
            self.hold = False
            return found, slow.result(), square(9)

        self.hold = True
        self.assertIsNone(self.start(main, kill_after=7))
        began = time.monotonic()
        found, four, _ = self.start(main)
        self.assertEqual(([type(f) for f in found], four), ([str, str], 4))
        self.assertEqual(len(self.server.tasks), 4)
        self.assertLess(time.monotonic() - began, 10)

    def test_the_helpers_give_what_they_gave(self):
        given, slept = [], []

        def read():
            return random.random()

        def failing():
            raise ValueError(f'no {random.random()}')

        @workflow
        def main():
            with contextlib.suppress(ValueError):
                journal.once(failing)
            try:
                journal.once(failing)
            except ValueError as error:
                message = str(error)
            values = (journal.now(), journal.once(read), journal.random(), journal.random(), journal.uuid(), message)
            given.append(values)
            began = time.monotonic()
            journal.sleep(0.5)
            slept.append(time.monotonic() - began)
            square(1)
            journal.once(lambda: 3)
            return square(2), journal.random()

        self.assertIsNone(self.start(main, kill_after=13))
        self.assertEqual(self.start(main)[0], 4)
        self.assertEqual(given[0], given[1])
        self.assertNotEqual(given[0][2], given[0][3])
        self.assertGreater(slept[0], 0.4)
        self.assertLess(slept[1], 0.4)
        keys = [key for _, _, key in self.server.journal]
        self.assertEqual([k for k in keys if k.startswith('once:test_durable#Cont')][0].rpartition('.')[2], 'failing:1')

    def test_an_error_of_once_that_is_no_built_in_one_has_a_class_of_its_own(self):
        class Odd(Exception):
            pass

        def failing():
            raise Odd('as ever')

        @workflow
        def main():
            with self.assertRaises(CulmError) as caught:
                journal.once(failing)
            return caught.exception.code, 'as ever' in str(caught.exception)

        self.assertEqual(self.start(main), ('once_failed', True))

    def test_a_race_with_a_sleep_has_the_same_winner(self):
        won = []

        @workflow
        async def main():
            self.hold = True
            call = asyncio.ensure_future(square.aio(3))
            nap = asyncio.ensure_future(journal.sleep_async(0.2))
            done, _ = await asyncio.wait({call, nap}, return_when=asyncio.FIRST_COMPLETED)
            won.append('nap' if nap in done else 'call')
            self.hold = False
            return await square.aio(4) + await call

        self.assertIsNone(self.start(main, kill_after=5))
        self.assertEqual(self.start(main), 25)
        self.assertEqual((set(won), len(self.server.tasks)), ({'nap'}, 2))

    def test_one_thing_told_has_all_its_effect_before_the_next(self):
        state = []
        self.may_end = lambda job: job['args']['text'] != '{"a":[2]}' or 'deep' in state

        async def deep():
            await asyncio.gather(asyncio.gather(asyncio.gather(square.aio(1))))
            state.append('deep')

        async def shallow():
            await square.aio(2)
            state.append('shallow')

        @workflow
        async def main():
            state.clear()
            await asyncio.gather(shallow(), deep())
            await square.aio(3 if state == ['deep', 'shallow'] else 4)
            return state

        self.assertIsNone(self.start(main, kill_after=6))
        self.assertEqual(self.start(main), ['deep', 'shallow'])
        self.assertEqual(len(self.server.tasks), 3)

    def test_threads_are_told_one_after_the_other(self):
        state = []
        self.may_end = lambda job: job['args']['text'] != '{"a":[2]}' or 'first' in state

        def one(n, name, pause):
            square(n)
            time.sleep(pause)
            state.append(name)

        @workflow
        def main():
            state.clear()
            with concurrent.futures.ThreadPoolExecutor(2) as pool:
                list(pool.map(one, [2, 1], ['second', 'first'], [0, 0.02]))
            square(3 if state == ['first', 'second'] else 4)
            return state

        self.assertIsNone(self.start(main, kill_after=6))
        self.assertEqual(self.start(main), ['first', 'second'])
        self.assertEqual(len(self.server.tasks), 3)

    def test_cancelling_is_not_done_again(self):
        answers = []

        @workflow
        def main():
            self.hold = True
            call = square.submit(3)
            answers.append(call.cancel())
            self.hold = False
            return square(4)

        self.assertIsNone(self.start(main, kill_after=5))
        self.assertEqual(self.start(main), 16)
        self.assertEqual(answers, [True, True])
        self.assertEqual(len(self.server.requests_of('POST', '/cancel')), 1)

    def test_a_new_start_replaces_the_one_before(self):
        @workflow
        def main(first):
            call = square.submit(1)
            if first:
                with self.server.lock:
                    self.row()['epoch'] += 1
                return square(2)
            return call.result()

        with self.assertRaises(CulmError) as caught:
            self.start(lambda: main(True))
        self.assertEqual(caught.exception.code, 'driver_replaced')
        self.assertEqual(self.row()['state'], 'running')

    def test_programs_that_it_starts_are_runs_of_their_own(self):
        path = self.write(
            'program.py',
            """
            import multiprocessing, os, subprocess, sys
            from culm import work, workflow

            @work
            def square(x):
                return x * x

            @workflow
            def main():
                return square(3)

            def call():
                main()

            if __name__ == '__main__':
                main()
                for context in ('spawn', 'fork'):
                    child = multiprocessing.get_context(context).Process(target=call)
                    child.start()
                    child.join()
            """,
        )
        env = {**os.environ, 'PYTHONPATH': PYTHON_FOLDER, 'CULM_RUN': self.run_id}
        command = [sys.executable, '-W', 'ignore', path]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
        self.assertEqual(done.stderr, '')
        runs = [w['run']['id'] for w in self.server.workflows.values()]
        self.assertEqual((runs[0], len(runs), len(set(runs))), (self.run_id, 3, 3))

    def test_a_run_that_is_no_uuid_is_refused_in_words(self):
        env = {**os.environ, 'PYTHONPATH': PYTHON_FOLDER, 'CULM_RUN': 'w12'}
        done = subprocess.run(
            [sys.executable, '-c', 'from culm import workflow'], env=env, capture_output=True, text=True, timeout=60
        )
        self.assertIn("CULM_RUN is 'w12'", done.stderr)


def _errors_help(code):
    return CulmError(code, '').help


class Retried(DurableTest):
    """What comes of a program that is continued after its workflow has failed and was retried."""

    def retry(self):
        return self.server.post_workflows_retry(self.row()['id'], {}, 'driver')

    def test_what_had_finished_is_not_called_again_and_what_failed_is_told_anew(self):
        """Though it goes another way than before: the failure that it had been told of is none any more."""
        fails = [True]

        @workflow
        def main():
            first = square(2)
            calls = square.map([3, first])
            try:
                found = sum(calls)
            except culm.UserError:
                square(7)
                raise
            return found + square(5)

        self.may_end = lambda job: not (fails[0] and job['args']['text'] == '{"a":[4]}' and self.fail_one(job))
        with self.assertRaises(culm.UserError):
            self.start(main)
        self.assertEqual([row['name'] for row in self.server.tasks.values()], ['square'] * 3)
        fails[0] = False
        self.assertEqual(self.retry(), {'retried': 1})
        self.assertEqual(self.start(main), 9 + 16 + 25)
        self.assertEqual(len(self.server.tasks), 4)
        self.assertEqual(self.row()['state'], 'done')

    def fail_one(self, job):
        self.server.fail(job['id'], type='ValueError', message='no data')
        return True

    def test_from_there_on_it_is_led_along_its_way_again(self):
        fails = [True]

        @workflow
        def main():
            total = square(1)
            for n in (2, 3, 4):
                total += value(total, n)
            if fails[0]:
                raise RuntimeError('no')
            return [total, journal.random(), value(total)]

        with self.assertRaises(RuntimeError):
            self.start(main)
        fails[0] = False
        self.retry()
        self.assertIsNone(self.start(main, kill_after=4))
        found = self.start(main)
        self.assertIsNotNone(found)
        self.assertEqual(len(self.server.tasks), 5)
        self.assertEqual(self.row()['state'], 'done')

    def test_what_was_recorded_stays_but_for_errors_and_cancels(self):
        asked, fails = [], [True]

        def ask():
            asked.append(1)
            if fails[0]:
                raise ValueError('nobody is there')
            return 7

        @workflow
        def main():
            at = journal.now()
            call = square.submit(3)
            if fails[0]:
                call.cancel()
            times.append(at)
            return journal.once(ask) + square(2)

        times = []
        with self.assertRaises(ValueError):
            self.start(main)
        fails[0] = False
        self.retry()
        self.assertEqual(self.start(main), 11)
        self.assertEqual((times[0], asked), (times[1], [1, 1]))
        self.assertEqual(self.row()['state'], 'done')


class Diverged(DurableTest):
    def setUp(self):
        super().setUp()
        self._set_env('CULM_REPLAY_SECONDS', '1')

    def test_a_program_that_asks_for_something_else_is_told_what(self):
        way = []

        @workflow
        def main():
            values = [square(1), square(way[0])]
            return values, square(5)

        way[:] = [2]
        self.assertIsNone(self.start(main, kill_after=4))
        way[:] = [3]
        with contextlib.redirect_stderr(io.StringIO()), self.assertRaises(culm.JournalDiverged) as caught:
            self.start(main)
        text = str(caught.exception)
        self.assertRegex(text, r'its earlier run called test_durable.*#square \(1\) next, which was not called again')
        self.assertRegex(text, r'#square \(1\) was called, which is new')
        self.assertIn('culm.journal', text)
        self.assertEqual((self.row()['state'], len(self.server.tasks)), ('running', 2))
        way[:] = [2]
        self.assertEqual(self.start(main), ([1, 4], 25))

    def test_a_program_that_ends_early_well_or_badly_is_refused(self):
        ends = []

        @workflow
        def main():
            square(1)
            if ends:
                raise ends[0]
            return square(2)

        @workflow
        def shorter():
            square(1)
            return square(2) if not ends else 0

        for program in (main, shorter):
            ends.clear()
            self.run_id = str(uuid.uuid4())
            self.assertIsNone(self.start(program, kill_after=4))
            ends.append(KeyError('x'))
            with self.assertRaises(culm.JournalDiverged) as caught:
                self.start(program)
            self.assertIn('went on with', str(caught.exception))
            self.assertEqual(list(self.server.workflows.values())[-1]['state'], 'running')

    def test_concurrent_code_that_diverges_fails_everywhere(self):
        way = [1]

        @workflow
        async def main():
            async def one(n):
                return await square.aio(await square.aio(n + way[0]))

            return await asyncio.gather(*(one(n) for n in range(3)))

        self.assertIsNone(self.start(main, kill_after=8))
        way[:] = [100]
        with contextlib.redirect_stderr(io.StringIO()), self.assertRaises(culm.JournalDiverged):
            self.start(main)

    def test_whoever_computes_for_long_is_waited_for_and_it_is_said(self):
        self.addCleanup(setattr, _journal.Patience, 'SAY_SECONDS', _journal.Patience.SAY_SECONDS)
        _journal.Patience.SAY_SECONDS = (0.2, 60.0)
        self._set_env('CULM_REPLAY_SECONDS', '0.5')
        slow = [0.0]

        @workflow
        def main():
            def one():
                first = square(1)
                time.sleep(slow[0])
                return first + square(2)

            def other():
                return square(3) + square(4)

            with concurrent.futures.ThreadPoolExecutor(2) as pool:
                a = pool.submit(one)
                b = pool.submit(other)
                sums = a.result(), b.result()
            return sums, square(9)

        self.assertIsNone(self.start(main, kill_after=9))
        slow[:] = [1.5]
        said = io.StringIO()
        with contextlib.redirect_stderr(said):
            self.assertEqual(self.start(main), ((5, 25), 81))
        self.assertEqual(len(self.server.tasks), 5)
        self.assertLessEqual(said.getvalue().count('\n'), 2)

    def test_a_cancelled_workflow_cannot_be_continued(self):
        @workflow
        def main():
            return square(1)

        self.assertIsNone(self.start(main, kill_after=2))
        self.row()['state'] = 'cancelled'
        with self.assertRaises(CulmError) as caught:
            self.start(main)
        self.assertEqual(caught.exception.code, 'workflow_ended')


class RandomPrograms(DurableTest):
    """What a program asks for depends on all that it was told, and in which order; so a wrong order is a new call, and
    that shows: every call that any start has made must be made by the last one."""

    def until_done(self, seed, program):
        self.rng = random.Random(seed)
        self.run_id = str(uuid.uuid4())
        tasks = set(self.server.tasks)
        for _ in range(self.rng.randint(1, 4)):
            if self.start(program, kill_after=self.rng.randint(3, 60)) is not None:
                break
        ended = {j: row['outcome'] for j, row in self.server.jobs.items() if row['outcome']}
        kept = self.start(program)
        self.assertEqual(kept, json.loads(self.row(-1)['ended']['value']['text']))
        if self.calls:  # else it had ended before
            self.assertEqual(len(set(self.server.tasks) - tasks), self.calls)
        for job_id, outcome in ended.items():
            self.assertIs(self.server.jobs[job_id]['outcome'], outcome)

    def test_coroutines_over_shared_state(self):
        for seed in range(25):
            with self.subTest(seed=seed):
                self.until_done(seed, self.flow(seed))

    def flow(self, seed):
        @workflow
        async def main(seed):
            state = []
            await self.branch(seed, '0', 0, state)
            return state

        return lambda: main(seed)

    async def aio(self, *args):
        self.calls += 1
        return await value.aio(*args)

    async def branch(self, seed, who, depth, state):
        rng = random.Random(f'{seed}/{who}')
        for n in range(rng.randint(1, 3)):
            kind = rng.choice(['call', 'race', 'map', 'deeper', 'helpers', 'handles'])
            if kind == 'call':
                state.append(await self.aio(*rng.choice([state[-4:], [1]])))
            elif kind == 'race':
                calls = [asyncio.ensure_future(self.aio(len(state), who, i)) for i in range(2)]
                done, rest = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
                state.append(calls.index(done.pop()))
                state.append(await self.aio(*state[-4:]))
                state += await asyncio.gather(*calls)
            elif kind == 'map':
                self.calls += 1
                state += await value.map(range(rng.randint(1, 3)), n=len(state))
            elif kind == 'helpers':
                state.append(await journal.once_async(random.random))
                state.append(journal.random())
                await journal.sleep_async(rng.choice([0, 0.01]))
            elif kind == 'handles':
                first, second = self.called(who, *state[-2:]), self.called(who, n)
                state.append(await second)
                state.append(await self.called(*state[-3:]))
                state.append(await first)
            elif depth < 2:
                children = (self.branch(seed, f'{who}.{n}.{i}', depth + 1, state) for i in range(rng.randint(1, 3)))
                await asyncio.gather(*children)

    def test_threads_that_each_go_their_way(self):
        for seed in range(15):
            with self.subTest(seed=seed):

                @workflow
                def main(seed):
                    with concurrent.futures.ThreadPoolExecutor(3) as pool:
                        parts = list(pool.map(functools.partial(self.thread, seed), range(5)))
                    return parts + [self.called(parts).result()]

                self.until_done(seed, functools.partial(main, seed))

    def thread(self, seed, who):
        rng, state = random.Random(f'{seed}/{who}'), []
        for n in range(rng.randint(1, 3)):
            kind = rng.choice(['call', 'deadline', 'map', 'done'])
            if kind == 'call':
                state.append(self.called(who, n, *state[-3:]).result())
            elif kind == 'deadline':
                call = self.called(who, n)
                for _ in range(3):
                    try:
                        state.append(call.result(timeout=0.002))
                    except TimeoutError:
                        state.append(self.called(who, len(state), 'late').result())
            elif kind == 'done':
                call = self.called(who, n, 'done')
                state.append(self.called(who, n, call.done()).result())
                state.append(call.result())
            else:
                with _counting:
                    self.calls += 1
                calls = value.map([who] * 3, range(3), n=len(state))
                for index, found in calls.as_completed():
                    state += [index, found, self.called(who, *state[-3:]).result()]
        return state

    def called(self, *args):
        with _counting:
            self.calls += 1
        return value.submit(*args)


_counting = threading.Lock()


class Large(DurableTest):
    def test_a_long_journal_is_read_in_pages_and_asks_for_nothing_more(self):
        self.server.page = 100

        @workflow
        def main():
            return [square(n) for n in range(300)]

        self.assertIsNone(self.start(main, kill_after=570))
        done = len(self.server.tasks)
        before = len(self.server.requests)
        self.assertEqual(self.start(main), [n * n for n in range(300)])
        again = self.server.requests[before:]
        self.assertEqual(len([r for r in again if '/journal' in r[1]]), 3)
        self.assertEqual(len([r for r in again if r[1] == '/v1/tasks']), 300 - done)
        self.assertLess(len([r for r in again if '/outcomes' in r[1]]), 5)

    def test_iterating_a_large_map_takes_time_in_proportion(self):
        """Against a journal without a server: the cost of being told, and of being led along it again."""

        def told(size):
            began = time.process_time()
            live = _journal.Journal('w1')
            seen = self.consume(_filled(live, range(size)), size)
            entries = [
                _journal.Entry(1, 'a', 't1', jobs=size),
                _journal.Entry(2, 'b', 't2', seen=live._seen.carried()[0]),
            ]
            again = _journal.Journal('w1')
            again.begin_replay(entries, 60)
            again.ask('a')
            pending = _filled(again, range(size)[::-1])
            self.assertEqual(self.consume(pending, size), seen)
            again.ask('b')
            self.assertFalse(again.replaying)
            return time.process_time() - began

        told(1000)
        self.assertLess(told(40_000) / told(4_000), 30)

    def consume(self, pending, size):
        with pending.journal.lock:
            return [pending.look_next(n) for n in range(size)]


def _filled(scope_journal, order):
    pending = _scope.Pending(len(order), scope_journal)
    pending.task_id = 't1'
    for index in order:
        pending.deliver({'index': index, 'state': 'finished', 'taskId': 't1'})
    return pending


if __name__ == '__main__':
    import unittest

    unittest.main()
