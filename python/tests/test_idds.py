"""Programmes in the words of iDDS, against the fake server of `support.py`, with real runners where functions run.

What the original gets wrong, and users have learnt to work around, must not come back: each of those has a test here.
"""

from __future__ import annotations

import concurrent.futures
import json
import os
import subprocess
import sys
import threading
import time
import uuid
import warnings

from support import DEADLINE_SECONDS, PYTHON_FOLDER, FakePilot, Problem, ServerTest, break_streams, eventually

import culm
from culm import CulmError, idds
from culm.idds import AsyncResult, MapResult, Workflow, _options, get_unique_id_for_dict

# As it is in the talk, works and the workflow function in one file, but for what is computed.
TALK = """
    import sys
    from culm.idds import Workflow, get_unique_id_for_dict, work, workflow

    @work(map_results=True)
    def optimize_work(opt_params, opt_method=None, hist=True, saveModel=False, input_weight=None, retMethod=None, **kwargs):
        from optimize import evaluate
        return evaluate(opt_params, kwargs)

    @work
    def plain(x, y=0):
        return [None, False, 0, '', [], {}][x] if y == 0 else x * y

    @work
    def failing(x):
        if x == 1:
            raise ValueError('unlucky')
        return x

    @work
    def nested(n):
        return plain(1, group_kwargs=[{'y': y} for y in range(1, n)])

    @workflow
    def optimize_workflow(n_iterations=2, n_points_per_iteration=3):
        from optimize import Optimizer
        params, opt_method = {'rounds': 10}, 'loss'
        bayesopt = Optimizer()
        for i in range(n_iterations):
            points = {}
            group_kwargs = []
            for j in range(n_points_per_iteration):
                x_probe = bayesopt.suggest()
                u_id = get_unique_id_for_dict(x_probe)
                points[u_id] = {'kwargs': x_probe}
                group_kwargs.append(x_probe)
            results = optimize_work(opt_params=params, opt_method=opt_method, hist=True, saveModel=False,
                                    input_weight=None, retMethod=opt_method, group_kwargs=group_kwargs)
            for u_id in points:
                points[u_id]['ret'] = results.get_result(name=None, args=points[u_id]['kwargs'])
                bayesopt.register(points[u_id]['kwargs'], points[u_id]['ret'])
        return bayesopt.max

    @workflow(local=True)
    def here(x):
        return plain(x)

    @workflow(return_workflow=True, pre_kwargs={'y': 7})
    def built(x, y=0):
        return plain(x, y=y)

    def undecorated(n):
        return nested(n)

    if __name__ == '__main__':
        wf = Workflow(func=optimize_workflow, service='idds')
        wf.prepare()
        print(wf.submit())
        print(wf.result(30))
"""

OPTIMIZE = """
    class Optimizer:
        def __init__(self):
            self.res, self.x = [], 0
        def suggest(self):
            self.x += 1
            return {'eta': self.x / 10, 'depth': self.x}
        def register(self, point, target):
            self.res.append((target, point))
        @property
        def max(self):
            target, params = max(self.res, key=lambda r: r[0])
            return {'target': target, 'params': params, 'n': len(self.res)}

    def evaluate(params, point):
        return -abs(point['depth'] - 4) * params['rounds']
"""


class IddsTest(ServerTest):
    def setUp(self):
        super().setUp()
        self.write('optimize.py', OPTIMIZE)
        self.write('talk.py', TALK)
        self.talk = self.load('talk')
        self.addCleanup(_options._warned.clear)
        _options._warned.clear()

    def run_jobs(self, slots=2):
        pilot = FakePilot(self.server, slots)
        self.addCleanup(pilot.close)

    def submitted(self):
        return [json.loads(body) for _, _, body, _ in self.server.requests_of('POST', '/v1/tasks')]

    def finish_all(self, call, texts):
        for job_id, text in zip(self.server.tasks[call.workload_id]['jobs'], texts):
            self.server.finish(job_id, text)

    def refuse(self, path_part, code):
        """From now on the server refuses what goes there."""

        def hook(when, method, path):
            if when == 'before' and path_part in path:
                raise Problem(422, code)

        self.server.hooks.append(hook)

    def handle(self, fn='plain', **options):
        return idds.work(getattr(self.talk, fn).fn, return_work=True, **options)


class TheTalk(IddsTest):
    def test_its_programme_runs_as_a_job_and_gives_its_value(self):
        self.run_jobs()
        with self.assertWarnsRegex(UserWarning, 'service means nothing to Culm'):
            wf = Workflow(func=self.talk.optimize_workflow, service='idds')
        wf.prepare()
        request_id = wf.submit()
        self.assertEqual(wf.result(DEADLINE_SECONDS), {'target': 0, 'params': {'eta': 0.4, 'depth': 4}, 'n': 6})
        (row,) = self.server.workflows.values()
        self.assertEqual(
            (row['id'], row['kind'], row['state'], row['name']), (request_id, 'job', 'done', 'optimize_workflow')
        )
        shape = [(task['name'], len(task['jobs'])) for task in self.server.tasks.values()]
        self.assertEqual(shape, [('optimize_workflow', 1), ('optimize_work', 3), ('optimize_work', 3)])
        common = json.loads(list(self.server.tasks.values())[1]['common']['text'])
        self.assertEqual(common['k']['opt_params'], {'rounds': 10}, 'what all share is sent once')

    def test_as_a_script_too_where_works_and_workflow_share_its_file(self):
        self.run_jobs()
        env = {**os.environ, 'PYTHONPATH': PYTHON_FOLDER, 'PYTHONWARNINGS': 'ignore'}
        done = subprocess.run(
            [sys.executable, os.path.join(self.folder, 'talk.py')], env=env, capture_output=True, text=True, timeout=60
        )
        self.assertEqual(
            (done.stdout.split('\n', 1)[1], done.stderr),
            ("{'target': 0, 'params': {'eta': 0.4, 'depth': 4}, 'n': 6}\n", ''),
        )

    def test_without_a_server_it_gives_the_same(self):
        with culm.local():
            self.assertEqual(Workflow(func=self.talk.optimize_workflow).run()['n'], 6)
            self.assertEqual(self.talk.optimize_workflow()['target'], 0)
        self.assertEqual(Workflow(func=self.talk.optimize_workflow, distributed=False).run()['target'], 0)
        with Workflow(distributed=False):
            self.assertEqual((self.talk.plain(3, y=2), self.talk.plain(0)), (6, None))
        self.assertEqual(self.server.requests, [])


class Values(IddsTest):
    """P1, P2, P6, P7, P9."""

    def test_falsy_ones_are_values_and_come_at_once(self):
        self.run_jobs()
        began = time.monotonic()
        for x, value in enumerate([None, False, 0, '', [], {}]):
            self.assertEqual(self.talk.plain(x), value)
        self.assertLess(time.monotonic() - began, DEADLINE_SECONDS)

    def test_a_workflow_gives_its_value_here_and_as_a_job(self):
        self.run_jobs()
        self.assertIsNone(self.talk.here(0))
        self.assertEqual(self.talk.here(4), [])
        remote = self.talk.optimize_workflow(n_iterations=1)
        self.assertIsInstance(remote, Workflow)
        self.assertEqual(remote.result(DEADLINE_SECONDS)['n'], 3)
        self.assertEqual(Workflow(func=self.talk.undecorated, args=[4]).run(), [1, 2, 3])
        built = self.talk.built(2)
        self.assertIsNone(built.request_id)
        self.assertEqual(built.run(), 14)

    def test_a_list_is_in_the_order_of_the_arguments_whatever_comes_first(self):
        handle = self.handle()(7, group_kwargs=[{'y': 1}, {'y': 2}, {'y': 2}])
        handle.submit()
        for job_id, text in reversed(list(zip(self.server.tasks[handle.workload_id]['jobs'], ['1', 'null', '3']))):
            self.server.finish(job_id, text)
        self.assertEqual(handle.wait_results(DEADLINE_SECONDS), [1, None, 3])

    def test_every_element_has_its_result_by_its_arguments_whatever_the_order_of_their_names(self):
        points = [{'a': 1, 'b': 2.5}, {'a': 2, 'b': 0}, {'b': 2.5, 'a': 1}, {'a': 3, 'b': None}]
        handle = self.handle('optimize_work', map_results=True)(opt_params={}, group_kwargs=points)
        handle.submit()
        self.finish_all(handle, ['10', 'null', '30', 'false'])
        results = handle.wait_results(DEADLINE_SECONDS)
        self.assertEqual(len(results), 3, 'equal arguments are one key, though both were jobs')
        self.assertEqual(results.get_result(args={'b': 0, 'a': 2}), None)
        self.assertTrue(results.has_result(args={'b': 0, 'a': 2}), 'None is a result')
        self.assertIs(results.get_result(name='talk:optimize_work', args={'b': None, 'a': 3}), False)
        self.assertEqual(results.get_result(key=get_unique_id_for_dict({'b': 2.5, 'a': 1})), 30)
        self.assertFalse(results.has_result(args={'a': 9}))
        with self.assertRaises(KeyError):
            results.get_result(args={'a': 9})
        keys = {get_unique_id_for_dict(point) for point in points}
        self.assertEqual(set(results.get_all_results()), keys)

    def test_keys_are_those_of_old_programmes_and_there_is_one_for_what_json_lacks(self):
        self.assertEqual(get_unique_id_for_dict({'b': 1, 'a': [1.0]}), '437fcc137d02e00397bd5fa515be149d258df796')
        self.assertEqual(get_unique_id_for_dict({'x': {2, 1}}), get_unique_id_for_dict({'x': {1, 2}}))

    def test_elements_that_are_lists_replace_the_positional_arguments(self):
        self.run_jobs()
        self.assertEqual(self.talk.plain(multi_jobs_kwargs_list=[[2, 3], (4, 5)]), [6, 20])
        mapped = idds.work(self.talk.plain.fn, map_results=True)
        self.assertEqual(mapped(group_kwargs=[[2, 3]]).get_result(args=[2, 3]), 6)

    def test_an_element_that_is_neither_is_refused(self):
        for group in (['ab'], [7], [None], {'y': 1}):
            with self.assertRaises(TypeError) as caught:
                self.handle()(2, group_kwargs=group)
            self.assertIn('a dict of named arguments or a list of positional ones', str(caught.exception))

    def test_a_group_has_one_of_its_names(self):
        with self.assertRaises(TypeError) as caught:
            self.handle()(group_kwargs=[{'x': 1}], multi_jobs_kwargs_list=[{'x': 1}])
        self.assertIn('group_kwargs and multi_jobs_kwargs_list, which are the same', str(caught.exception))

    def test_what_an_element_says_comes_before_what_the_call_says_and_that_before_pre_kwargs(self):
        self.run_jobs()
        fn = idds.work(self.talk.plain.fn, pre_kwargs={'y': 5})
        self.assertEqual(fn(2, y=3, group_kwargs=[{'y': 7}, {'x': 4}, {}][::2]), [14, 6])
        self.assertEqual([fn(2, y=3), fn(2), fn(2, group_kwargs=[{}])], [6, 10, [10]])

    def test_a_group_of_nothing_is_no_job(self):
        self.assertEqual(self.talk.plain(1, group_kwargs=[]), [])
        self.assertEqual(self.talk.optimize_work(opt_params={}, group_kwargs=[]).get_all_results(), {})
        self.assertEqual(self.submitted(), [])

    def test_a_single_call_is_a_map_too_and_may_name_its_key(self):
        self.run_jobs()
        mapped = idds.work(self.talk.plain.fn, map_results=True, pre_kwargs={'y': 5})
        self.assertEqual(mapped(x=2).get_result(args={'x': 2, 'y': 5}), 10)
        self.assertEqual(mapped(x=2, y=3, job_key='mine').get_result(key='mine'), 6)
        self.assertEqual(mapped(x=2, y=3, job_key='of:me').get_all_results(), {'of:me': 6})

    def test_a_key_of_one_is_not_that_of_many(self):
        handle = self.handle(map_results=True, job_key='mine')(group_kwargs=[{'x': 1}, {'x': 2}])
        with self.assertRaises(TypeError) as caught:
            handle.submit()
        self.assertIn('job_key is the key of one job', str(caught.exception))
        self.assertEqual(self.submitted(), [])

    def test_a_result_may_be_kept_by_hand(self):
        results = MapResult()
        results.add_result(name='n', args={'x': 1}, result=0)
        self.assertEqual(results.get_result(args={'x': 1}), 0, 'it is found without its name too')
        results.set_result(args={'x': 1}, value=1, details={'status': True})
        self.assertEqual((results.get_result(args={'x': 1}), results.get_result(name='n', args={'x': 1})), (1, 0))
        self.assertEqual(results.get_result(args={'x': 1}, with_details=True), (1, {'status': True}))
        other = MapResult()
        other.set_from_dict_results(results.get_dict_results())
        self.assertEqual((other.get_result(args={'x': 1}), other.get_result(name='n', args={'x': 1})), (1, 0))


class Failures(IddsTest):
    """P3, P15."""

    def test_they_are_raised_and_nobody_hangs(self):
        self.run_jobs()
        with self.assertRaises(ValueError) as caught:
            self.talk.failing(1)
        self.assertIn("raise ValueError('unlucky')", str(caught.exception))
        with self.assertRaises(culm.UserError):
            self.talk.failing(group_kwargs=[{'x': 0}, {'x': 1}, {'x': 2}])
        with self.assertRaises(ValueError):
            Workflow(func=self.talk.failing.fn, args=[1]).run()
        wf = Workflow(func=self.talk.failing.fn, kwargs={'x': 1})
        wf.submit()
        with self.assertRaises(ValueError):
            wf.result(DEADLINE_SECONDS)

    def test_a_failure_is_raised_though_another_job_never_returns(self):
        for fn in (self.talk.failing, idds.work(self.talk.failing.fn, map_results=True)):
            with concurrent.futures.ThreadPoolExecutor(1) as pool:
                call = pool.submit(fn, group_kwargs=[{'x': 0}, {'x': 1}])
                stuck, failing = self.server.next_job(), self.server.next_job()
                self.server.fail(failing['id'], type='ValueError', message='unlucky')
                try:
                    with self.assertRaises(ValueError):
                        call.result(DEADLINE_SECONDS)
                finally:
                    self.server.finish(stuck['id'], '0')

    def test_a_handle_tells_of_each_and_no_error_is_taken_for_a_value(self):
        handle = self.handle('failing', map_results=True)(group_kwargs=[{'x': 0}, {'x': 1}, {'x': 2}])
        self.assertEqual((handle.get_status(), handle.workload_id), ('New', ''))
        handle.submit()
        self.assertEqual(handle.get_status(), 'Running')
        first, second, third = self.server.tasks[handle.workload_id]['jobs']
        self.server.finish(first, '0')
        self.server.fail(second, type='ValueError', message='unlucky')
        with self.assertRaises(TimeoutError):
            handle.wait_results(0.05)
        partial = handle.wait_results(0.05, force_return_results=True)
        self.assertEqual([partial.has_result(args={'x': x}) for x in range(3)], [True, False, False])
        with self.assertRaises(KeyError):
            partial.get_result(args={'x': 2})
        self.server.finish(third, 'null')
        results = handle.wait_results(DEADLINE_SECONDS)
        self.assertEqual(
            (handle.get_status(), handle.is_terminated(), handle.is_subfinished()), ('SubFinished', True, True)
        )
        self.assertEqual([results.has_result(args={'x': x}) for x in range(3)], [True, False, True])
        with self.assertRaises(ValueError):
            results.get_result(args={'x': 1})
        value, details = results.get_result(args={'x': 1}, with_details=True)
        self.assertEqual((value, details['status']), (None, False))
        self.assertIn('unlucky', details['error'])
        self.assertLess(details['metrics']['start_time'], details['metrics']['end_time'])
        value, details = results.get_result(args={'x': 2}, with_details=True)
        self.assertEqual((value, details['status'], details['error']), (None, True, None))
        self.assertEqual(set(results.get_all_results().values()), {0, None})

    def test_lost_and_cancelled_jobs_end_the_wait_too(self):
        lost, cancelled = self.handle()(1), self.handle()(2)
        for handle in (lost, cancelled):
            handle.submit()
        self.server.fail(self.server.job_of(lost.workload_id), 'lost')
        self.assertTrue(cancelled.cancel())
        self.assertEqual((eventually(lost.is_failed), eventually(cancelled.is_terminated)), (True, True))
        with self.assertRaises(culm.LostError):
            lost.get_results()
        with self.assertRaises(culm.CallCancelled):
            cancelled.wait_results(DEADLINE_SECONDS)
        self.assertFalse(cancelled.cancel())

    def test_what_cannot_be_submitted_is_said_at_the_call(self):
        with self.assertRaises(TypeError):
            self.talk.plain(1, 2, 3)
        with self.assertRaises(TypeError):
            self.talk.plain(1, group_kwargs=[{'z': 1}])
        with self.assertRaises(CulmError) as caught:
            self.handle()(1).get_results()
        self.assertEqual(caught.exception.code, 'work_not_submitted')
        self.assertEqual(self.submitted(), [])


    def test_what_the_server_refuses_is_raised_where_it_was_asked_for(self):
        self.refuse('/v1/tasks', 'too_large_for_queue')
        self.refuse('/v1/workflows', 'forbidden')
        handle = self.handle()(1)
        for ask in (handle.submit, lambda: self.talk.plain(1), lambda: self.talk.plain(group_kwargs=[{'x': 1}])):
            with self.assertRaises(CulmError):
                ask()
        self.assertEqual((handle.get_status(), handle.workload_id), ('New', ''))
        wf = Workflow(func=self.talk.undecorated, args=[2])
        for ask in (wf.submit, lambda: self.talk.optimize_workflow()):
            with self.assertRaises(CulmError):
                ask()
        self.assertIsNone(wf.request_id)

    def test_sources_that_cannot_be_prepared_are_an_error(self):
        self.refuse('/v1/bundles', 'bundle_too_large')
        for prepare in (Workflow(func=self.talk.undecorated).prepare, self.talk.optimize_workflow):
            with self.assertRaises(CulmError) as caught:
                prepare()
            self.assertEqual(caught.exception.code, 'bundle_too_large')

    def test_an_error_of_the_wait_is_raised_and_not_given_as_a_result(self):
        handle = self.handle()(1)
        handle.submit()
        eventually(lambda: self.server.streams)
        self.refuse('/stream', 'workflow_unknown')
        break_streams(self.server)
        with self.assertRaises(CulmError) as caught:
            handle.wait_results(DEADLINE_SECONDS)
        self.assertEqual(caught.exception.code, 'workflow_unknown')

    def test_a_workflow_can_be_cancelled_and_says_so(self):
        wf = Workflow(func=self.talk.undecorated, args=[2])
        self.assertFalse(wf.cancel(), 'it was not submitted')
        wf.submit()
        self.assertTrue(wf.cancel())
        with self.assertRaises(culm.CallCancelled):
            wf.result(DEADLINE_SECONDS)
        self.assertFalse(wf.cancel())


class Waiting(IddsTest):
    def test_enough_may_be_less_than_all_and_each_job_counts_once(self):
        handle = self.handle(map_results=True)(group_kwargs=[{'x': n} for n in range(4)])
        handle.submit()
        result = AsyncResult(handle, wait_percent=0.5)
        first, second, third, fourth = self.server.tasks[handle.workload_id]['jobs']
        self.server.finish(first, 'null')
        self.server.tell(self.server.jobs[first]['outcome'])
        self.server.fail(third)
        with self.assertRaises(TimeoutError):
            result.wait_results(0.05)
        self.assertEqual(result.get_results_percentage(), 0.25)
        self.server.finish(second, '0')
        self.assertEqual(len(result.wait_results(DEADLINE_SECONDS)), 2)
        self.assertEqual((result.is_terminated, result.is_all_results_available), (False, False))
        self.server.finish(fourth, '0')
        eventually(lambda: result.is_terminated)
        self.assertEqual((result.get_results_percentage(), result.is_subfinished), (0.75, True))

    def test_it_waits_for_all_when_not_enough_can_come(self):
        handle = self.handle(map_results=True)(group_kwargs=[{'x': n} for n in range(2)])
        handle.submit()
        for job_id in self.server.tasks[handle.workload_id]['jobs']:
            self.server.fail(job_id)
        self.assertEqual(len(AsyncResult(handle, wait_percent=0.5).wait_results(DEADLINE_SECONDS)), 0)

    def test_many_wait_at_once_with_no_thread_for_each(self):
        """P24."""
        handles = [self.handle()(0) for _ in range(200)]
        for handle in handles:
            handle.submit()
        threads = [t for t in threading.enumerate() if t.name.startswith('culm-')]
        self.assertLess(len(threads), 10)
        for handle in handles:
            self.server.finish(self.server.job_of(handle.workload_id), '0')
        self.assertEqual([handle.wait_results(DEADLINE_SECONDS) for handle in handles], [0] * 200)


class Places(IddsTest):
    """P4, P8, P18."""

    def test_a_call_outside_a_workflow_is_a_call(self):
        self.run_jobs()
        self.assertEqual(self.talk.plain(2, y=3), 6)
        (row,) = self.server.workflows.values()
        self.assertEqual(row['kind'], 'session')

    def test_calls_inside_a_context_belong_to_it_which_ends_with_it(self):
        self.run_jobs()
        wf = Workflow(name='mine', campaign='mc26')
        request_id = wf.submit()
        with wf:
            self.assertEqual(self.talk.plain(2, y=3), 6)
        self.assertEqual(self.talk.plain(2, y=4), 8)
        rows = list(self.server.workflows.values())
        self.assertEqual(
            [(row['name'], row['state'], row.get('labels')) for row in rows[:1]],
            [('mine', 'done', {'campaign': 'mc26'})],
        )
        self.assertEqual(
            (rows[0]['id'], [task['workflowId'] for task in self.server.tasks.values()][:1]), (request_id, [request_id])
        )
        self.assertEqual(len(rows), 2)
        with self.assertRaises(KeyError), Workflow(name='fails'):
            raise KeyError('x')
        self.assertEqual(list(self.server.workflows.values())[2]['state'], 'failed')

    def test_a_programme_that_seeds_itself_is_told_so_when_it_goes_on_and_goes_on_with_a_seed_of_the_journal(self):
        self.run_jobs()
        for seed, code in (('random.random()', 1), ('journal.random()', 0)):
            program = self.write(
                f'{seed[0]}.py',
                f"""
                import os, random, talk
                from culm import journal
                from culm.idds import workflow

                @workflow(local=True)
                def main():
                    points = [{{'y': {seed}}}]
                    first = talk.plain(1, group_kwargs=points)
                    if os.environ['DIES'] == '1':
                        os._exit(9)
                    return [first[0] == points[0]['y'], talk.plain(5, y=2)]

                if __name__ == '__main__':
                    print(main())
                """,
            )
            env = {
                **os.environ,
                'PYTHONPATH': PYTHON_FOLDER,
                'CULM_RUN': str(uuid.uuid4()),
                'CULM_REPLAY_SECONDS': '0.5',
            }
            for dies, ends in (('1', 9), ('0', code)):
                done = subprocess.run(
                    [sys.executable, program], env={**env, 'DIES': dies}, capture_output=True, text=True, timeout=60
                )
                self.assertEqual(done.returncode, ends, done.stderr)
            self.assertEqual('culm.JournalDiverged' in done.stderr, code == 1)
        self.assertEqual(done.stdout, '[True, 10]\n')

    def test_sources_are_found_by_their_imports_whatever_folder_the_programme_runs_in(self):
        """P5."""
        self.run_jobs()
        self.write('lib/far/__init__.py')
        self.write(
            'lib/far/steps.py',
            'from culm.idds import work\nfrom far.helper import N\n\n@work\ndef f(x):\n    return x + N\n',
        )
        self.write('lib/far/helper.py', 'N = 40\n')
        program = self.write('main.py', 'from far.steps import f\nprint(f(2))\n')
        env = {**os.environ, 'PYTHONPATH': f'{PYTHON_FOLDER}:{self.folder}/lib'}
        done = subprocess.run([sys.executable, program], env=env, cwd='/', capture_output=True, text=True, timeout=60)
        self.assertEqual((done.stdout, done.stderr), ('42\n', ''))

    def test_a_call_may_name_its_workflow(self):
        self.run_jobs()
        wf = Workflow(core_count=3)
        wf.submit()
        self.talk.plain(2, y=3, workflow=wf)
        task = self.submitted()[0]
        self.assertEqual((task['workflowId'], task['cores']), (wf.request_id, 3))
        wf.close()
        self.assertEqual(self.server.workflows[wf.request_id]['state'], 'done')

    def test_a_work_may_be_defined_with_its_workflow(self):
        self.run_jobs()
        with Workflow(core_count=3) as wf:
            idds.work(self.talk.plain.fn, workflow=wf)(2, y=3)
        task = self.submitted()[0]
        self.assertEqual((task['workflowId'], task['cores']), (wf.request_id, 3))

    def test_one_that_nobody_closes_goes_on_where_it_was_and_ends_with_its_program(self):
        self.run_jobs()
        program = self.write(
            'unclosed.py',
            """
            import os, sys, talk
            from culm.idds import Workflow

            wf = Workflow(name='unclosed')
            wf.submit()
            talk.plain(2, y=3, workflow=wf)
            if sys.argv[1] == 'dies':
                os._exit(9)
            print(talk.plain(2, y=4, workflow=wf))
            if sys.argv[1] == 'fails':
                raise KeyError('x')
            """,
        )
        ended = []
        for ways in (('dies', 'ends'), ('fails',)):
            env = {**os.environ, 'PYTHONPATH': PYTHON_FOLDER, 'CULM_RUN': str(uuid.uuid4())}
            for way in ways:
                done = subprocess.run(
                    [sys.executable, program, way], env=env, capture_output=True, text=True, timeout=60
                )
                ended.append((done.returncode, done.stdout, list(self.server.workflows.values())[-1]['state']))
        self.assertEqual(ended, [(9, '', 'running'), (0, '8\n', 'done'), (1, '8\n', 'failed')])
        self.assertEqual((len(self.server.workflows), len(self.server.tasks)), (2, 4), 'none was made twice')

    def test_a_local_one_is_one_workflow_that_is_opened_by_submit_and_ends_with_its_run(self):
        self.run_jobs()
        inside, alone = (Workflow(func=self.talk.undecorated, args=[3], local=True) for _ in range(2))
        ids = [wf.prepare() or wf.submit() for wf in (inside, alone)]
        self.assertEqual(self.server.tasks, {}, 'its function is no job')
        with inside:
            self.assertEqual(inside.run(), [1, 2])
        self.assertEqual(alone.run(), [1, 2])
        rows = self.server.workflows.values()
        self.assertEqual([(row['id'], row['state']) for row in rows], [(request_id, 'done') for request_id in ids])
        tasks = self.server.tasks.values()
        self.assertEqual([task['workflowId'] for task in tasks if task['name'] == 'nested'], ids)

    def test_works_call_works(self):
        self.run_jobs(slots=1)
        self.assertEqual(self.talk.nested(4), [1, 2, 3])

    def test_a_programme_that_was_killed_goes_on_where_it_was(self):
        self.run_jobs()
        program = self.write(
            'again.py',
            """
            import os, talk
            from culm.idds import workflow

            @workflow(local=True)
            def main():
                first = talk.plain(1, group_kwargs=[{'y': 1}, {'y': 2}])
                if not os.path.exists('marker'):
                    open('marker', 'w').close()
                    os._exit(9)
                return first + [talk.plain(5, y=2)]

            if __name__ == '__main__':
                print(main())
            """,
        )
        env = {**os.environ, 'PYTHONPATH': PYTHON_FOLDER, 'CULM_RUN': str(uuid.uuid4())}
        codes = []
        for _ in range(2):
            done = subprocess.run(
                [sys.executable, program], env=env, cwd=self.folder, capture_output=True, text=True, timeout=60
            )
            codes.append(done.returncode)
        self.assertEqual((codes, done.stdout, done.stderr), ([9, 0], '[1, 2, 10]\n', ''))
        self.assertEqual([len(task['jobs']) for task in self.server.tasks.values()], [2, 1])


class Options(IddsTest):
    """P10, P19, P25."""

    def ask(self, work_options, **workflow_options):
        with Workflow(**workflow_options):
            self.handle(**work_options)(1).submit()
        return self.submitted()[-1]

    def test_those_of_the_work_come_before_those_of_its_workflow_and_no_default_hides_one(self):
        asked = self.ask(
            {}, core_count=4, total_memory=2000, max_walltime=60, queue='grid', priority=900, max_attempt=3
        )
        wanted = {
            'cores': 4,
            'memoryMb': 2000,
            'wallSeconds': 60,
            'queue': 'grid',
            'priority': 900,
            'attempts': {'user': 3},
        }
        self.assertEqual({name: asked.get(name) for name in wanted}, wanted)
        asked = self.ask({'core_count': 1, 'max_walltime': 7}, core_count=4, queue='grid')
        self.assertEqual((asked['cores'], asked['wallSeconds'], asked['queue']), (1, 7, 'grid'))

    def test_nothing_is_sent_that_nobody_asked_for(self):
        asked = self.ask({})
        self.assertEqual(set(asked), {'name', 'payload', 'workflowId', 'call', 'jobs'})
        self.assertNotIn('token', json.dumps(asked))

    def test_they_reach_the_works_that_a_function_calls_as_a_job(self):
        self.run_jobs()
        wf = Workflow(func=self.talk.undecorated, args=[3], core_count=2, max_walltime=50)
        wf.submit()
        self.assertEqual(wf.result(DEADLINE_SECONDS), [1, 2])
        self.assertEqual(
            [(t['name'], t['cores'], t['wallSeconds']) for t in self.server.tasks.values()],
            [('undecorated', 2, 50), ('nested', 2, 50), ('plain', 2, 50)],
        )

    def test_handles_and_workflows_have_them_as_attributes_and_know_no_others(self):
        handle, wf = self.handle()(1), Workflow()
        for owner in (handle, wf):
            owner.core_count = 5
            self.assertEqual((owner.core_count, owner.queue), (5, None))
            with self.assertRaises(TypeError):
                owner.cores = 7
            with self.assertRaises(AttributeError):
                owner.cores
        handle.submit()
        self.assertEqual(self.submitted()[-1]['cores'], 5)
        with self.assertRaises(TypeError):
            idds.work(self.talk.plain.fn, cores=7)
        with self.assertRaises(TypeError):
            idds.workflow(self.talk.undecorated, cores=7)

    def test_each_option_of_old_programmes_is_taken_or_refused_with_a_remedy(self):
        shared = '''init_env no_wraps container_options enable_separate_log post_script'''
        of_work = '''workflow pre_kwargs name return_work map_results lazy parent_workload_id no_wait_parent job_key
            input_datasets output_file_name output_dataset_name log_dataset_name num_events num_events_per_job
            parent_transform_id parent_internal_id'''
        of_workflow = '''service source_dir source_dir_parent_level use_func_dir exclude_source_files distributed local
            pre_kwargs name max_walltime clean_env'''
        of_decorator = 'primary queue site cloud return_workflow core_count total_memory'
        of_class = 'func context args kwargs multi_jobs_kwargs_list current_job_kwargs is_unique_func_name'
        settable = '''queue site cloud vo working_group task_type processing_type priority core_count total_memory
            max_walltime max_attempt username userdn lifetime'''
        of_workflows = 'campaign campaign_scope campaign_group campaign_tag max_processing_requests token'
        makers = (
            (lambda **o: idds.work(self.talk.plain.fn, **o), f'{shared} {of_work}'),
            (lambda **o: idds.workflow(self.talk.undecorated, **o), f'{shared} {of_workflow} {of_decorator}'),
            (Workflow, f'{shared} {of_workflow} {of_class}'),
            (lambda **o: setattr(Workflow(), *next(iter(o.items()))), f'{settable} {of_workflows}'),
            (lambda **o: setattr(self.handle()(1), *next(iter(o.items()))), f'{settable} parent_workload_id job_key'),
        )
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            for make, names in makers:
                for name in names.split():
                    make(**{name: None})
                    try:
                        make(**{name: {}})
                        make(**{name: {'x': 'y'}})
                    except CulmError as error:
                        self.assertEqual((error.code, bool(error.help)), ('option_unsupported', True), name)
        self.assertEqual(self.server.requests, [])

    def test_so_are_those_of_an_async_result(self):
        handle = self.handle()(1)
        with self.assertWarnsRegex(UserWarning, 'wait_keys means nothing to Culm: .*wait_percent=0.5') as caught:
            AsyncResult(handle, name='f', map_results=False, internal_id=None, wait_keys=['k'], timeout=3)
        self.assertEqual(caught.filename, __file__)
        with self.assertRaises(TypeError):
            AsyncResult(handle, wait_keyz=['k'])

    def test_what_means_nothing_here_is_said_once_with_what_to_do_instead(self):
        nothing = {
            'service': 'panda',
            'site': 'CERN',
            'cloud': 'US',
            'vo': 'atlas',
            'lifetime': 7,
            'enable_separate_log': True,
        }
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter('always')
            for _ in range(2):
                Workflow(**nothing, source_dir='.', no_wraps=False)
        said = [str(warning.message) for warning in caught]
        self.assertEqual(len(said), 7)
        for name in (*nothing, 'source_dir'):
            self.assertEqual(
                len([text for text in said if text.startswith(f'{name} means nothing to Culm: ')]), 1, name
            )
        self.assertEqual({warning.filename for warning in caught}, {__file__})

    def test_it_is_said_at_the_line_of_the_program_however_the_option_is_given(self):
        def given(make):
            _options._warned.clear()
            with self.assertWarnsRegex(UserWarning, 'vo means nothing to Culm') as caught:
                make()
            self.assertEqual(caught.filename, __file__)

        fn = self.talk.plain.fn
        handle, wf = self.handle()(1), Workflow()
        given(lambda: idds.work(vo='atlas')(fn))
        given(lambda: idds.work(fn, vo='atlas'))
        given(lambda: idds.workflow(vo='atlas')(fn))
        given(lambda: idds.workflow(fn, vo='atlas'))
        given(lambda: setattr(handle, 'vo', 'atlas'))
        given(lambda: setattr(wf, 'vo', 'atlas'))

    def test_what_would_change_what_is_computed_is_refused(self):
        for name in ('input_datasets', 'output_file_name', 'num_events'):
            with self.assertRaises(CulmError) as caught:
                idds.work(self.talk.plain.fn, **{name: {'x': 'd'}})
            self.assertEqual(caught.exception.code, 'option_unsupported')

    def test_jobs_run_in_the_environment_that_was_asked_for(self):
        options = {'init_env': 'source setup.sh; singularity exec ml.simg ', 'clean_env': 'c', 'post_script': 'p'}
        self.handle(**options, container_options={'container_image': 'ml'})(1).submit()
        payload = self.submitted()[-1]['payload']
        said = {'initEnv': options['init_env'], 'cleanEnv': 'c', 'postScript': 'p', 'image': 'ml'}
        self.assertEqual(payload['environment'], said)
        self.assertNotIn('interpreter', payload)

    def test_the_environment_of_a_workflow_is_that_of_its_works_unless_they_have_their_own(self):
        with Workflow(init_env='source setup.sh', post_script=''):
            self.handle()(1).submit()
            self.handle(init_env='singularity exec ml.simg ')(1).submit()
        said = [task['payload']['environment'] for task in self.submitted()]
        self.assertEqual(said, [{'initEnv': 'source setup.sh'}, {'initEnv': 'singularity exec ml.simg '}])

    def test_on_this_machine_it_may_be_ignored(self):
        self._set_env('CULM_IDDS_IGNORE_ENV', '1')
        self.handle(init_env='singularity exec ml.simg ')(1).submit()
        here = self.submitted()[-1]
        self.assertEqual((here['queue'], here['payload'].get('environment')), ('local', None))
        self.handle(init_env='singularity exec ml.simg ', queue='grid')(1).submit()
        self.assertEqual(self.submitted()[-1]['payload']['environment'], {'initEnv': 'singularity exec ml.simg '})

    def test_a_task_may_run_after_another(self):
        first = self.handle()(1)
        first.submit()
        for parent in (first, first.workload_id):
            self.handle(parent_workload_id=parent)(2).submit()
            self.assertEqual(self.submitted()[-1]['after'], [first.workload_id])
        self.handle(parent_workload_id=first, no_wait_parent=True)(2).submit()
        self.assertNotIn('after', self.submitted()[-1])
        with self.assertRaises(CulmError):
            self.handle(parent_workload_id=168807)(2).submit()
        late = self.handle()(2)
        late.parent_workload_id = first.workload_id
        self.assertEqual(late.parent_workload_id, first.workload_id)
        late.submit()
        self.assertEqual(self.submitted()[-1]['after'], [first.workload_id])


if __name__ == '__main__':
    import unittest

    unittest.main()
