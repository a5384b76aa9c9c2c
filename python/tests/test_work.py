"""Works and their calls, against the fake server of `support.py`; the tests end its jobs by hand."""

from __future__ import annotations

import asyncio
import concurrent.futures
import json
import os
import subprocess
import sys
import threading
import time

from support import (
    DEADLINE_SECONDS,
    PYTHON_FOLDER,
    USER_TOKEN,
    Drop,
    Problem,
    ServerTest,
    Trap,
    break_streams,
    eventually,
)

import culm
from culm import CulmError, _bundle, _scope, work
from culm._values import encode

STEPS = """
    from culm import work

    @work
    def square(x, scale=1):
        return x * x * scale

    @work(name='trainer', queue='grid', site='far', cores=4, memory_mb=8000, gpus=2, wall_seconds=60, attempts=3,
          priority=5, labels={'a': 'b'})
    def train(point):
        return point

    def plain(x):
        return x
"""


class WorkTest(ServerTest):
    def setUp(self):
        super().setUp()
        self.write('steps.py', STEPS)
        self.steps = self.load('steps')
        self.square = self.steps.square
        self.set_look_seconds(600, 600)  # so that nothing is found by a second look what the first should see

    def set_look_seconds(self, *seconds):
        before = _scope._LOOK_SECONDS
        _scope._LOOK_SECONDS = seconds
        self.addCleanup(setattr, _scope, '_LOOK_SECONDS', before)

    def later(self, act):
        """Runs in another thread what would block this one."""
        pool = concurrent.futures.ThreadPoolExecutor(1)
        self.addCleanup(pool.shutdown, wait=False)
        return pool.submit(act)

    def answer(self, count=1, value=lambda job: job['args']['text']):
        """Ends the next jobs, each with a text made of it."""
        for _ in range(count):
            job = self.server.next_job()
            self.server.finish(job['id'], value(job))

    def warm(self):
        """A first call whose outcome came over the open stream, so that the client has a cursor."""
        call = self.square.submit(0)
        eventually(lambda: self.scope()._stream._gaps == 1, 'the opening of the stream')
        self.answer()
        call.result(DEADLINE_SECONDS)

    def scope(self):
        from culm._workflow import scope_of_call

        return scope_of_call()

    def submitted(self):
        return [json.loads(body) for _, _, body, _ in self.server.requests_of('POST', '/v1/tasks')]


class Definitions(WorkTest):
    def test_methods_and_what_is_no_function_are_refused_when_they_are_decorated(self):
        class Box:
            def method(self):
                pass

        for fn in (Box.method, WorkTest.later):
            with self.assertRaises(CulmError) as caught:
                work(fn)
            self.assertEqual(caught.exception.code, 'work_not_exported')
            self.assertIn('is a method of a class', str(caught.exception))
            self.assertIn('outside the class', str(caught.exception))
        for other in (7, Box()):
            with self.assertRaises(TypeError):
                work(other)

    def test_an_unknown_codec_is_refused(self):
        with self.assertRaises(ValueError):
            work(codec='marshal')(self.steps.plain)

    def test_a_work_under_another_name_than_its_function_is_refused_when_it_is_used(self):
        with self.assertRaises(CulmError) as caught:
            _hidden_work(1)
        self.assertEqual(caught.exception.code, 'work_not_exported')

    def test_a_plain_function_of_a_module_can_be_made_a_work_elsewhere(self):
        call = work(self.steps.plain).submit(1)
        self.answer()
        self.assertEqual(call.result(), {'a': [1]})
        self.assertEqual(self.submitted()[0]['payload']['export'], 'plain')

    def test_it_looks_like_its_function_and_runs_locally_without_a_server(self):
        self.assertEqual((self.square.__name__, self.square.__module__), ('square', 'steps'))
        self.assertEqual(self.square.local(3), 9)
        self.assertEqual(self.server.requests, [])

    def test_unknown_options_are_refused(self):
        with self.assertRaises(TypeError) as caught:
            self.square.with_options(memory=7)
        self.assertIn('memory_mb', str(caught.exception))

    def test_arguments_that_the_function_does_not_take_are_refused_here(self):
        for call in (lambda: self.square(), lambda: self.square(1, 2, 3), lambda: self.square.map([1], colour=2)):
            with self.assertRaises(TypeError) as caught:
                call()
            self.assertIn('square()', str(caught.exception))
        self.assertEqual(self.server.requests, [])


class Submitting(WorkTest):
    def test_a_call_says_what_runs_where_and_with_what(self):
        self.square.submit(3, scale=2)
        task = self.submitted()[0]
        self.assertEqual(task['name'], 'square')
        self.assertEqual(task['jobs'], [{'args': {'text': '{"a":[3],"k":{"scale":2}}'}}])
        payload = task['payload']
        self.assertEqual((payload['kind'], payload['language'], payload['module']), ('function', 'python', 'steps'))
        self.assertEqual((payload['export'], payload['interpreter']), ('square', sys.executable))
        self.assertEqual([f['path'] for f in self.server.bundles[payload['bundle']]['files']], ['steps.py'])

    def test_only_what_was_asked_for_is_sent(self):
        self.square.submit(3)
        self.assertEqual(set(self.submitted()[0]), {'name', 'payload', 'workflowId', 'call', 'jobs'})

    def test_options_are_sent_under_the_server_s_names(self):
        self.steps.train.submit(1)
        task = self.submitted()[0]
        for name, value in (
            ('name', 'trainer'),
            ('queue', 'grid'),
            ('cores', 4),
            ('site', 'far'),
            ('memoryMb', 8000),
            ('gpus', 2),
            ('wallSeconds', 60),
        ):
            self.assertEqual(task[name], value)
        self.assertEqual((task['priority'], task['attempts'], task['labels']), (5, {'user': 3}, {'a': 'b'}))
        self.assertNotIn('interpreter', task['payload'])
        self.square.with_options(site='far', attempts={'memory': 2}).submit(1)
        self.assertEqual(self.submitted()[1]['attempts'], {'memory': 2})
        self.assertNotIn('interpreter', self.submitted()[1]['payload'])

    def test_options_per_use_leave_the_work_as_it_was(self):
        self.square.with_options(cores=2, queue='local').submit(1)
        self.square.submit(1)
        first, second = self.submitted()
        self.assertEqual((first['cores'], first['payload']['interpreter']), (2, sys.executable))
        self.assertNotIn('cores', second)

    def test_it_may_run_after_others(self):
        first, second = self.square.submit(1), self.square.map([1, 2])
        self.square.with_options(after=[first, second, self.square.map([])]).submit(2)
        self.assertEqual(self.submitted()[2]['after'], [first.task_id, second.task_id])

    def test_a_bundle_is_sent_once(self):
        for n in range(3):
            self.square.submit(n)
        self.assertEqual(len(self.server.requests_of('POST', '/v1/bundles')), 2)  # announced, and again when complete
        self.assertEqual(len(self.server.requests_of('PUT', '/v1/content')), 1)

    def test_of_changed_sources_only_what_changed_is_sent(self):
        self.write('pack/__init__.py')
        self.write('pack/table.csv', '1,2')
        self.write('pack/steps.py', 'from culm import work\n@work\ndef f(): pass\n')
        f = self.load('pack.steps').f
        f.submit()
        self.assertEqual(len(self.server.requests_of('PUT', '/v1/content')), 3)
        self.write('pack/table.csv', '3,4')
        _bundle._known.clear()  # As in another program: what this one has loaded is what it ships.
        f.submit()
        sent = self.server.requests_of('PUT', '/v1/content')[3:]
        self.assertEqual([body for _, _, body, _ in sent], [b'3,4'])

    def test_equal_calls_are_told_apart_by_number_and_the_same_program_makes_the_same_keys(self):
        program = (
            'import steps, culm\nwith culm.session():\n    for x in (1, 2, 1, 1):\n        steps.square.submit(x)\n'
        )
        env = {'PYTHONPATH': f'{PYTHON_FOLDER}:{self.folder}', 'CULM_SERVER': self.server.url, 'CULM_TOKEN': USER_TOKEN}
        for seed in '12':
            subprocess.run([sys.executable, '-c', program], env={**env, 'PYTHONHASHSEED': seed}, check=True, timeout=60)
        keys = [task['call']['key'] for task in self.submitted()]
        self.assertEqual(len(set(keys)), 4)
        self.assertEqual(keys[:4], keys[4:])
        self.assertEqual([key.rpartition(':')[2] for key in keys[:4]], ['1', '1', '2', '3'])

    def test_a_submission_whose_reply_was_lost_makes_one_task(self):
        lost = [Drop(), Drop()]

        def hook(when, method, path):
            if when == 'after' and path == '/v1/tasks' and lost:
                raise lost.pop()

        self.server.hooks.append(hook)
        call = self.square.submit(3)
        self.answer()
        self.assertEqual(call.result(), {'a': [3]})
        self.assertEqual(len(self.server.tasks), 1)

    def test_a_call_that_was_refused_and_is_made_again_is_the_same_call(self):
        refused = [Problem(422, 'too_large_for_queue')]

        def hook(when, method, path):
            if when == 'before' and path == '/v1/tasks' and refused:
                raise refused.pop()

        self.server.hooks.append(hook)
        with self.assertRaises(CulmError):
            self.square.submit(3)
        self.square.submit(3)
        first, second = self.submitted()
        self.assertEqual(first['call'], second['call'])

    def test_large_arguments_go_by_reference(self):
        call = self.square.submit('é' * 600_000)
        reference = self.submitted()[0]['jobs'][0]['args']
        self.assertEqual(json.loads(self.server.blobs[reference['blob']])['a'], ['é' * 600_000])
        self.assertEqual(reference['bytes'], len(self.server.blobs[reference['blob']]))
        self.server.finish(call.job_id, '1')
        self.assertEqual(call.result(), 1)

    def test_what_all_jobs_of_a_map_share_is_stored_and_sent_once(self):
        calls = self.square.map(range(1500), scale='x' * 2_000_000)
        first, rest = (json.loads(r[2]) for r in self.server.requests_of('POST', '/v1/tasks'))
        self.assertEqual(first['common']['bytes'], len('{"a":[],"k":{"scale":""}}') + 2_000_000)
        self.assertEqual((set(rest), len(rest['jobs'])), ({'firstIndex', 'jobs', 'close', 'epoch'}, 500))
        self.assertEqual(rest['jobs'][0], {'args': {'text': '{"a":[1000]}'}})
        stored = [r for r in self.server.requests_of('PUT', '/v1/content') if len(r[2]) > 1_000_000]
        self.assertEqual(len(stored), 1)
        self.square.map([1], scale='x' * 2_000_000)
        self.assertEqual(len([r for r in self.server.requests_of('PUT', '/v1/content') if len(r[2]) > 1_000_000]), 1)
        self.assertEqual(len(calls), 1500)

    def test_what_cannot_be_sent_is_refused_before_anything_is(self):
        with self.assertRaises(CulmError) as caught:
            self.square(1, scale=object())
        self.assertIn('argument scale', str(caught.exception))
        self.assertEqual(self.submitted(), [])


class CallsAsArguments(WorkTest):
    """The value of a call goes to another one without a detour."""

    def end(self, call, value, index=0):
        self.server.end(self.server.job_of(call.task_id, index), {'state': 'finished', 'value': value})

    def arguments(self, place=-1):
        return [json.loads(job['args']['text']) for job in self.submitted()[place]['jobs']]

    def test_a_small_value_is_sent_in_the_place_of_its_call(self):
        call = self.square.submit(3)
        self.end(call, {'text': '{"$culm":"tuple","v":[1.0]}'})
        self.square.submit([call], scale=call)
        plain = {'$culm': 'tuple', 'v': [1.0]}
        self.assertEqual(self.arguments(), [{'a': [[plain]], 'k': {'scale': plain}}])

    def test_a_large_value_stays_where_it_is(self):
        stored = {'blob': 'b' * 64, 'bytes': 5_000_000}
        call, calls = self.square.submit(3), self.square.map([1, 2])
        self.end(call, stored)
        self.end(calls, {'text': '1'})
        self.end(calls, stored, 1)
        place = {'$culm': 'stored', 'v': stored}
        self.square.submit(call, scale=calls)
        self.assertEqual(self.arguments(), [{'a': [place], 'k': {'scale': [1, place]}}])
        self.square.map(calls, scale=call)
        self.assertEqual(self.arguments(), [{'a': [1]}, {'a': [place]}])
        self.assertEqual(json.loads(self.submitted()[-1]['common']['text']), {'k': {'scale': place}, 'a': []})
        self.assertEqual(self.server.requests_of('GET', '/v1/blobs'), [])

    def test_one_that_was_looked_at_stays_there_too(self):
        self.server.blobs['c' * 64] = b'"text"'
        call = self.square.submit(3)
        self.end(call, {'blob': 'c' * 64, 'bytes': 6})
        self.assertEqual(call.result(), 'text')
        self.square.submit(call)
        self.assertEqual(self.arguments()[0]['a'][0]['v'], {'blob': 'c' * 64, 'bytes': 6})

    def test_what_has_not_ended_is_waited_for_and_what_failed_is_raised(self):
        call = self.square.submit(3)
        second = self.later(lambda: self.square.submit(call))
        self.answer(1, lambda job: '1')
        second.result(DEADLINE_SECONDS)
        self.assertEqual(self.arguments(), [{'a': [1]}])
        failing = self.square.submit(4)
        self.server.fail(failing.job_id, type='ValueError', message='no')
        with self.assertRaises(ValueError):
            self.square.submit(failing)

    def test_it_is_awaited_in_asynchronous_code(self):
        async def main():
            call, calls = self.square.submit(1), self.square.map([])
            answers = asyncio.to_thread(self.answer, 2, lambda job: job['args']['text'].replace('$', ''))
            return (await asyncio.gather(self.square.aio(call, scale=calls), answers))[0]

        self.assertEqual(asyncio.run(main()), {'a': [{'a': [1]}], 'k': {'scale': []}})


class Results(WorkTest):
    def test_a_call_gives_the_value_falsy_ones_too(self):
        for text, value in (
            ('9', 9),
            ('null', None),
            ('false', False),
            ('0', 0),
            ('[]', []),
            ('""', ''),
            ('{"$culm":"tuple","v":[1]}', (1,)),
        ):
            call = self.later(lambda: self.square(3))
            self.answer(value=lambda job, text=text: text)
            self.assertEqual(call.result(DEADLINE_SECONDS), value)

    def test_a_pickle_is_not_opened_for_a_work_that_has_not_asked_for_it(self):
        call = self.square.submit(3)
        self.answer(value=lambda job: encode(Trap(os.path.join(self.folder, 'sprung')), pickled=True))
        with self.assertRaises(CulmError) as caught:
            call.result(DEADLINE_SECONDS)
        self.assertIn("@work(codec='pickle')", str(caught.exception))
        self.assertNotIn('sprung', os.listdir(self.folder))

    def test_an_error_is_raised_with_the_traceback_of_the_worker(self):
        call = self.square.submit(3)
        self.server.fail(call.job_id, type='ValueError', message='no', stack='File "steps.py", line 6\n')
        with self.assertRaises(ValueError) as caught:
            call.result()
        self.assertIsInstance(caught.exception, culm.UserError)
        self.assertIn('File "steps.py", line 6', str(caught.exception))
        self.assertEqual(caught.exception.job_id, call.job_id)
        self.assertFalse(call.outcome().ok)

    def test_an_error_tells_what_the_job_printed_last_and_where_there_is_more(self):
        call = self.square.submit(3)
        self.server.logs[call.job_id] = ''.join(f'line {n}\n' for n in range(100))
        self.server.fail(call.job_id, type='ValueError', message='no', stack='File "steps.py"')
        with self.assertRaises(ValueError) as caught:
            call.result()
        self.assertEqual(self.server.requests_of('GET', '/log'), [], 'nobody looked at it yet')
        text = str(caught.exception)
        self.assertIn('\nline 80\n', text)
        self.assertIn('\nline 99\n', text)
        self.assertNotIn('line 79', text)
        self.assertIn(f'{self.server.url}/{call.job_id}', text)
        asked = len(self.server.requests_of('GET', '/log'))
        self.assertEqual((str(caught.exception), caught.exception.log.count('\n')), (text, 19))
        self.assertEqual(len(self.server.requests_of('GET', '/log')), asked, 'it was fetched once')

    def test_an_error_is_told_though_its_log_cannot_be_had(self):
        call = self.square.submit(3)
        self.server.fail(call.job_id, type='ValueError', message='no', stack='File "steps.py"')
        error = call.outcome().error

        def hook(when, method, path):
            if '/log' in path:
                raise Drop

        self.server.hooks.append(hook)
        self.assertIn('File "steps.py"', str(error))
        self.assertEqual(error.log, '')

    def test_the_server_is_not_told_of_its_own_logs(self):
        @culm.workflow
        def main():
            call = self.square.submit(3)
            self.server.logs[call.job_id] = 'printed'
            self.server.fail(call.job_id, type='ValueError', message='no')
            call.result()

        with self.assertRaises(ValueError) as caught:
            main()
        (workflow,) = self.server.workflows.values()
        self.assertNotIn('printed', str(workflow['ended']))
        self.assertIn('printed', str(caught.exception))

    def test_every_bad_end_is_an_error_of_its_kind(self):
        for cause, state, kind in (
            ('lost', 'failed', culm.LostError),
            ('parent', 'cancelled', culm.ParentFailed),
            ('memory', 'failed', culm.MemoryLimit),
        ):
            call = self.square.submit(3)
            self.server.fail(call.job_id, cause, state)
            with self.assertRaises(kind):
                call.result()

    def test_a_result_may_be_asked_for_again_and_is_not_shared(self):
        call = self.square.submit(3)
        self.answer(value=lambda job: '[1]')
        call.result().append(2)
        self.assertEqual(call.result(), [1])

    def test_a_stored_value_is_fetched_when_it_is_looked_at(self):
        import hashlib

        content = json.dumps('x' * 10).encode()
        digest = hashlib.sha256(content).hexdigest()
        self.server.blobs[digest] = content
        call = self.square.submit(3)
        self.server.end(call.job_id, {'state': 'finished', 'value': {'blob': digest, 'bytes': len(content)}})
        eventually(call.done)
        self.assertEqual(self.server.requests_of('GET', '/v1/blobs'), [])
        self.assertEqual([call.result(), call.result()], ['x' * 10] * 2)
        self.assertEqual(len(self.server.requests_of('GET', '/v1/blobs')), 1)

    def test_to_tell_how_many_large_results_ended_none_is_fetched(self):
        calls = self.square.map(range(20))
        content = json.dumps('x' * 2000).encode()
        for index, job_id in enumerate(self.server.tasks[calls.task_id]['jobs']):
            digest = f'{index:064}'
            self.server.blobs[digest] = content
            self.server.end(job_id, {'state': 'finished', 'value': {'blob': digest, 'bytes': len(content)}})
        outcomes = calls.settle()
        self.assertEqual([(o.ok, o.state) for o in [*outcomes, *calls.as_settled()]], [(True, 'finished')] * 40)
        self.assertTrue(calls.done() and repr(outcomes) and repr(calls))
        self.assertEqual(self.server.requests_of('GET', '/v1/blobs'), [])
        self.assertEqual((calls[7], outcomes[7].value), ('x' * 2000, 'x' * 2000))
        self.assertEqual(
            [r[1].split('?')[0] for r in self.server.requests_of('GET', '/v1/blobs')], [f'/v1/blobs/{7:064}']
        )

    def test_a_wait_may_have_a_limit(self):
        call = self.square.submit(3)
        self.assertFalse(call.done())
        for timeout in (0, 0.01):
            with self.assertRaises(TimeoutError):
                call.result(timeout)
        self.answer()
        self.assertEqual(call.result(DEADLINE_SECONDS), {'a': [3]})
        self.assertTrue(call.done())

    def test_a_call_can_be_cancelled_once(self):
        call = self.square.submit(3)
        self.assertTrue(call.cancel())
        with self.assertRaises(culm.CallCancelled):
            call.result()
        self.assertFalse(call.cancel())

    def test_many_threads_get_their_own_results(self):
        stop = threading.Event()

        def serve():
            while not stop.is_set():
                job = self.server.ready.get()
                if job:
                    self.server.finish(job['id'], str(json.loads(job['args']['text'])['a'][0] ** 2))

        server = threading.Thread(target=serve, daemon=True)
        server.start()
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            self.assertEqual(list(pool.map(self.square, range(100))), [n * n for n in range(100)])
        stop.set()
        self.server.ready.put(None)
        self.assertEqual(len(self.server.workflows), 1)
        self.assertEqual(len(self.server.requests_of('GET', '/stream')), 1)

    def test_calls_can_be_awaited(self):
        async def main():
            calls = asyncio.gather(*(self.square.aio(n) for n in range(20)), self.square.submit(20))
            answers = asyncio.to_thread(self.answer, 21)
            return (await asyncio.gather(calls, answers))[0]

        self.assertEqual(asyncio.run(main()), [{'a': [n]} for n in range(21)])

    def test_an_awaited_call_raises_its_error(self):
        call = self.square.submit(1)

        async def main():
            return await call

        self.server.fail(call.job_id, type='KeyError', message='k')
        with self.assertRaises(KeyError):
            asyncio.run(main())


class Maps(WorkTest):
    def test_values_come_in_the_order_of_the_arguments(self):
        calls = self.square.map([3, 1, 2])
        jobs = [self.server.next_job() for _ in range(3)]
        for job in reversed(jobs):
            self.server.finish(job['id'], job['args']['text'])
        self.assertEqual(calls.result(), [{'a': [3]}, {'a': [1]}, {'a': [2]}])
        self.assertEqual(list(calls), calls.result())
        self.assertEqual((len(calls), calls[-1], calls[:2]), (3, {'a': [2]}, calls.result()[:2]))
        with self.assertRaises(IndexError):
            calls[3]

    def test_it_is_one_task_and_common_arguments_are_sent_once(self):
        self.square.map(range(3), scale=7)
        task = self.submitted()[0]
        self.assertEqual(task['common'], {'text': '{"a":[],"k":{"scale":7}}'})
        self.assertEqual([job['args']['text'] for job in task['jobs']], ['{"a":[0]}', '{"a":[1]}', '{"a":[2]}'])

    def test_several_iterables_go_in_step_and_tuples_are_spread_by_starmap(self):
        self.square.map([1, 2], iter([3, 4, 5]))
        self.square.starmap([(1, 3), (2, 4)])
        first, second = self.submitted()
        self.assertEqual(first['jobs'], [{'args': {'text': '{"a":[1,3]}'}}, {'args': {'text': '{"a":[2,4]}'}}])
        self.assertEqual(second['jobs'], first['jobs'])

    def test_a_map_of_nothing_needs_no_server(self):
        calls = self.square.map([])
        self.assertEqual(
            (calls.result(), list(calls), calls.settle(), list(calls.as_completed()), calls.done()),
            ([], [], [], [], True),
        )
        self.assertFalse(calls.cancel())
        self.assertEqual(self.submitted(), [])

    def test_values_are_given_as_they_come(self):
        calls = self.square.map([10, 11, 12])
        arriving = calls.as_completed()
        jobs = [self.server.next_job() for _ in range(3)]
        for index in (2, 0, 1):
            self.server.finish(jobs[index]['id'], str(index))
            self.assertEqual(next(arriving), (index, index))
        self.assertEqual(list(arriving), [])

    def test_one_failure_is_raised_before_the_others_end(self):
        calls = self.square.map([1, 2, 3])
        self.server.fail(self.server.job_of(calls.task_id, 1), type='ValueError', message='two')
        with self.assertRaises(ValueError) as caught:
            calls.result(DEADLINE_SECONDS)
        self.assertEqual(caught.exception.index, 1)
        self.assertFalse(calls.done())

    def test_settling_tells_of_each(self):
        calls = self.square.map([1, 2, 3])
        self.server.fail(self.server.job_of(calls.task_id, 1), type='ValueError', message='two')
        self.answer(3, lambda job: 'null')
        for outcomes in (calls.settle(), sorted(calls.as_settled(), key=lambda o: o.index)):
            self.assertEqual([o.ok for o in outcomes], [True, False, True])
            self.assertEqual([o.index for o in outcomes], [0, 1, 2])
            self.assertEqual((outcomes[0].value, outcomes[1].error.remote_message), (None, 'two'))
            self.assertEqual(outcomes[1].state, 'failed')

    def test_values_are_found_by_their_arguments(self):
        points = [{'lr': 0.1, 'depth': 3}, {'lr': 0.2, 'depth': 3}, {'depth': 3, 'lr': 0.1}, None, 0, False, [1]]
        calls = self.square.map(points)
        points[0]['lr'] = 7  # It was another one when it was sent.
        texts = ['null', '0', '"again"', 'false', '1', '[]', '2']
        for job_id, text in zip(self.server.tasks[calls.task_id]['jobs'], texts):
            self.server.finish(job_id, text)
        values = calls.by_args()
        self.assertEqual((len(calls), len(values)), (7, 6), 'both jobs ran, and are one key')
        self.assertEqual(values[{'depth': 3, 'lr': 0.1}], 'again')
        self.assertEqual([values[key] for key in (None, 0, False, [1])], [False, 1, [], 2])
        self.assertEqual(
            (values[{'lr': 0.2, 'depth': 3.0}], values.get({'lr': 7}), {'lr': 7} in values), (0, None, False)
        )
        with self.assertRaises(KeyError):
            values[{'lr': 7}]
        self.assertEqual(dict(zip(map(str, values), values.values()))["{'lr': 0.2, 'depth': 3}"], 0)

    def test_of_several_iterables_the_key_is_a_tuple_and_of_failures_the_outcomes_can_be_had(self):
        calls = self.square.map([1, 2], [3, 4])
        self.server.fail(self.server.job_of(calls.task_id, 1), type='ValueError', message='no')
        self.server.finish(self.server.job_of(calls.task_id, 0), 'null')
        with self.assertRaises(ValueError):
            calls.by_args(DEADLINE_SECONDS)
        outcomes = calls.settle_by_args(DEADLINE_SECONDS)
        self.assertEqual((outcomes[1, 3].ok, outcomes[1, 3].value, outcomes[2, 4].ok), (True, None, False))

    def test_a_large_map_goes_in_parts(self):
        calls = self.square.map(range(2500))
        parts = [json.loads(body) for _, _, body, _ in self.server.requests_of('POST', '/jobs')]
        self.assertTrue(self.submitted()[0]['open'])
        self.assertEqual(
            [(p['firstIndex'], len(p['jobs']), p['close']) for p in parts], [(1000, 1000, False), (2000, 500, True)]
        )
        self.answer(2500)
        self.assertEqual(calls.result(), [{'a': [n]} for n in range(2500)])

    def test_a_map_of_many_bytes_goes_in_parts(self):
        self.square.map('"' * 400_000 for _ in range(9))
        bodies = [body for _, _, body, _ in self.server.requests_of('POST', '/v1/tasks')]
        self.assertEqual(len(bodies), 2)
        self.assertEqual(self.server.requests_of('POST', '/v1/blobs'), [])
        self.assertLess(max(map(len, bodies)), 16_000_000)

    def test_a_part_whose_reply_was_lost_counts_once(self):
        lost = [Drop()]

        def hook(when, method, path):
            if when == 'after' and path.endswith('/jobs') and lost:
                raise lost.pop()

        self.server.hooks.append(hook)
        calls = self.square.map(range(1500))
        self.assertEqual(len(self.server.tasks[calls.task_id]['jobs']), 1500)


class Streams(WorkTest):
    def test_a_result_that_comes_before_the_reply_of_its_submission_is_kept(self):
        self.warm()

        def hook(when, method, path):
            if when == 'after' and path == '/v1/tasks':
                self.server.finish(self.server.next_job()['id'], '"early"')
                eventually(lambda: stream._early, 'the outcome at the client')

        stream = self.scope()._stream
        asked = len(self.server.requests_of('GET', '/outcomes'))
        self.server.hooks.append(hook)
        self.assertEqual(self.square(3), 'early')
        self.assertEqual(len(self.server.requests_of('GET', '/outcomes')), asked, 'it came over the stream')
        self.assertEqual(stream._early, {}, 'nothing is kept any longer than a submission')

    def test_a_result_that_comes_before_the_stream_is_open_is_asked_for(self):
        opened = threading.Event()
        self.server.hooks.append(
            lambda when, method, path: opened.wait() if path.find('/stream') > 0 and when == 'before' else None
        )
        call = self.square.submit(3)
        self.answer()
        opened.set()
        self.assertEqual(call.result(DEADLINE_SECONDS), {'a': [3]})

    def test_a_result_between_a_submission_and_the_opening_of_the_stream_is_asked_for(self):
        ended = threading.Event()

        def hook(when, method, path):
            if when == 'before' and '/stream' in path:
                ended.wait(DEADLINE_SECONDS)
            if when == 'after' and path == '/v1/tasks':
                self.answer()
                ended.set()
                eventually(lambda: self.scope()._stream._gaps == 1, 'the opening of the stream')

        self.server.hooks.append(hook)
        self.assertEqual(self.square.submit(3).result(DEADLINE_SECONDS), {'a': [3]})

    def test_a_broken_stream_resumes_where_it_was(self):
        self.warm()
        asked = len(self.server.requests_of('GET', '/outcomes'))
        call = self.square.submit(2)
        break_streams(self.server)
        self.answer()
        self.assertEqual(call.result(DEADLINE_SECONDS), {'a': [2]})
        resumed = [headers.get('Last-Event-ID') for *_, headers in self.server.requests_of('GET', '/stream')]
        self.assertEqual(resumed, [None, '1'])
        self.assertEqual(len(self.server.requests_of('GET', '/outcomes')), asked)

    def test_a_stream_that_cannot_resume_misses_nothing(self):
        self.server.with_ids = False
        first = self.square.submit(1)
        eventually(lambda: self.server.streams)
        refuse = threading.Event()

        def hook(when, method, path):
            if when == 'before' and '/stream' in path and not refuse.is_set():
                raise Drop

        self.server.hooks.append(hook)
        break_streams(self.server)
        eventually(lambda: not self.server.streams)
        second = self.square.submit(2)
        self.answer(2)
        refuse.set()
        self.assertEqual([first.result(DEADLINE_SECONDS), second.result(DEADLINE_SECONDS)], [{'a': [1]}, {'a': [2]}])

    def test_a_cursor_that_the_server_has_forgotten_is_dropped(self):
        self.warm()
        call = self.square.submit(2)

        def hook(when, method, path):
            if when == 'before' and '/stream' in path and self.server.requests[-1][3].get('Last-Event-ID'):
                raise Problem(400, 'invalid_cursor')

        self.server.hooks.append(hook)
        break_streams(self.server)
        self.answer()
        self.assertEqual(call.result(DEADLINE_SECONDS), {'a': [2]})

    def test_an_outcome_that_is_told_twice_counts_once(self):
        self.warm()
        calls = self.square.map([1, 2])
        first = self.server.next_job()
        self.server.finish(first['id'], '1')
        self.server.tell(self.server.jobs[first['id']]['outcome'])
        self.server.tell({**self.server.jobs[first['id']]['outcome'], 'value': {'text': '"other"'}})
        self.answer(value=lambda job: '2')
        self.assertEqual(sorted(calls.as_completed()), [(0, 1), (1, 2)])

    def test_a_notice_that_never_comes_is_made_up_for(self):
        self.set_look_seconds(0.05, 0.1)
        call = self.square.submit(3)
        eventually(lambda: self.server.streams)
        with self.server.lock:
            self.server.jobs[call.job_id]['outcome'] = {
                'jobId': call.job_id,
                'taskId': call.task_id,
                'index': 0,
                'attempt': 1,
                'state': 'finished',
                'value': {'text': '9'},
            }
        self.assertEqual(call.result(DEADLINE_SECONDS), 9)

    def test_a_stream_that_is_refused_for_good_fails_the_wait(self):
        call = self.square.submit(3)
        eventually(lambda: self.server.streams)

        def hook(when, method, path):
            if when == 'before' and '/stream' in path:
                raise Problem(404, 'workflow_unknown')

        self.server.hooks.append(hook)
        break_streams(self.server)
        with self.assertRaises(CulmError) as caught:
            call.result(DEADLINE_SECONDS)
        self.assertEqual(caught.exception.code, 'workflow_unknown')

    def test_a_call_that_the_journal_knows_gets_its_old_outcome(self):
        call = self.square.submit(3)
        self.answer()
        call.result()
        self.server.short_outcomes = False  # so that it is asked for
        self.server.workflows[call._scope.workflow_id]['epoch'] = 2
        again = _scope.Scope(lambda: self.scope().client, call._scope.workflow_id, 'driver', 2, continues=True)
        self.addCleanup(again.close, CulmError('workflow_ended', ''))
        pending = again.send(again.ask('steps#square', None, ['{"a":[3]}']), self.fail, None, ['{"a":[3]}'])
        again.wait(pending, pending.look_all, DEADLINE_SECONDS)
        self.assertEqual(pending.task_id, call.task_id)


class Processes(WorkTest):
    def run_program(self, text):
        path = self.write('program.py', text)
        env = {**os.environ, 'PYTHONPATH': f'{PYTHON_FOLDER}:{self.folder}'}
        stop = threading.Event()

        def serve():
            while True:
                job = self.server.ready.get()
                if job is None:
                    return
                self.server.finish(job['id'], str(json.loads(job['args']['text'])['a'][0] ** 2))

        server = threading.Thread(target=serve, daemon=True)
        server.start()
        self.addCleanup(self.server.ready.put, None)
        self.addCleanup(stop.set)
        return subprocess.run([sys.executable, path], env=env, capture_output=True, text=True, timeout=60)

    def test_a_program_without_a_workflow_has_a_session_that_ends_with_it(self):
        done = self.run_program('import steps\nprint(steps.square(3), steps.square.map([1, 2]).result())\n')
        self.assertEqual((done.stdout, done.stderr), ('9 [1, 4]\n', ''))
        (session,) = self.server.workflows.values()
        self.assertEqual((session['kind'], session['name'], session['state']), ('session', 'program.py', 'done'))

    def test_a_session_whose_program_ends_in_an_error_failed(self):
        done = self.run_program('import steps\nsteps.square(3)\nraise KeyError("x")\n')
        self.assertEqual(done.returncode, 1)
        (session,) = self.server.workflows.values()
        self.assertEqual((session['state'], session['ended']['error']['type']), ('failed', 'KeyError'))

    def test_a_session_that_is_interrupted_is_cancelled(self):
        done = self.run_program('import steps\nsteps.square(3)\nraise KeyboardInterrupt\n')
        self.assertIn('KeyboardInterrupt', done.stderr)
        (session,) = self.server.workflows.values()
        self.assertEqual(session['state'], 'cancelled')

    def test_a_forked_child_has_a_session_of_its_own(self):
        done = self.run_program(
            """
            import os, steps, sys
            print(steps.square(2), flush=True)
            pid = os.fork()
            print(steps.square(3), flush=True)
            if pid:
                sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
            """
        )
        self.assertEqual((done.returncode, sorted(done.stdout.split())), (0, ['4', '9', '9']))
        self.assertEqual(len(self.server.workflows), 2)

    def test_works_of_a_plain_script_are_shipped_with_it(self):
        done = self.run_program(
            """
            from culm import work
            import steps

            @work
            def double(x):
                return steps.plain(x) * 2

            if __name__ == '__main__':
                print(double(3))
            """
        )
        self.assertEqual((done.stdout, done.stderr), ('9\n', ''))
        payload = self.submitted()[0]['payload']
        self.assertEqual((payload['module'], payload['export']), ('program.py', 'double'))
        files = self.server.bundles[payload['bundle']]['files']
        self.assertEqual(sorted(f['path'] for f in files), ['program.py', 'steps.py'])

    def test_without_a_server_the_error_is_the_one_command_that_starts_one(self):
        for name in ('CULM_SERVER', 'CULM_TOKEN'):
            self._set_env(name, '')
        self._set_env('CULM_HOME', os.path.join(self.folder, 'none'))
        began = time.monotonic()
        done = self.run_program('import steps\nsteps.square(3)\n')
        self.assertIn('culm.CulmError', done.stderr)
        self.assertRegex(done.stderr, 'Start one with `[^`]*(culm up|start)`')
        self.assertLess(time.monotonic() - began, 30)


def _inner(x):
    return x


_hidden_work = work(_inner)
_inner = None

if __name__ == '__main__':
    import unittest

    unittest.main()
