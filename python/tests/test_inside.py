"""What a function says and keeps while it runs: in a real runner, in a command, and outside of any job."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
import time
import unittest

from support import PYTHON_FOLDER, FolderTest, RunnerProcess, ServerTest, eventually

import culm
from culm import CulmError
from culm._told import Told


class Words(unittest.TestCase):
    """What is said is gathered into few words, of which none is lost."""

    def setUp(self):
        self.words = []
        self.told = Told(self.words.append, 'j1', 2)

    def numbers(self):
        return [(m['step'], n, v) for w in self.words for m in w.get('metrics', []) for n, v in m['values'].items()]

    def test_the_first_goes_at_once_and_the_rest_together_without_another_call(self):
        for step in range(50):
            self.told.metrics(step, {'loss': float(step)})
        self.assertEqual(self.words[0], {'t': 'told', 'jobId': 'j1', 'attempt': 2, 'metrics': [first(0)]})
        eventually(lambda: len(self.numbers()) == 50, 'the rest of it')
        self.assertEqual([step for step, _, _ in self.numbers()], list(range(50)))
        self.assertLessEqual(len(self.words), 3)

    def test_what_is_left_goes_at_the_end_and_nothing_after_it(self):
        self.told.metrics(1, {'a': 1.0})
        self.told.metrics(2, {'a': 2.0})
        self.told.progress({'done': 1.0})
        self.told.progress({'done': 2.0})
        self.told.end()
        self.assertEqual(self.words[1]['progress'], {'done': 2.0})
        self.told.metrics(3, {'a': 3.0})
        self.told.progress({'done': 3.0})
        self.told.end()
        self.assertEqual([step for step, _, _ in self.numbers()], [1, 2])

    def test_of_equal_steps_that_follow_each_other_one_is_made_and_the_last_word_counts(self):
        self.told.metrics(0, {'x': 0.0})
        self.told.metrics(1, {'a': 1.0})
        self.told.metrics(1, {'b': 2.0, 'a': 3.0})
        self.told.end()
        self.assertEqual(self.words[1]['metrics'], [{'step': 1, 'values': {'a': 3.0, 'b': 2.0}}])

    def test_numbers_that_json_lacks_go_by_their_names(self):
        self.told.metrics(0, {'a': float('nan'), 'b': float('inf'), 'c': float('-inf')})
        self.assertEqual(self.words[0]['metrics'][0]['values'], {'a': 'NaN', 'b': 'Infinity', 'c': '-Infinity'})
        json.loads(json.dumps(self.words[0]), parse_constant=self.fail)

    def test_a_flood_is_not_gathered_without_end(self):
        for step in range(5000):
            self.told.metrics(step, {'a': 1.0})
        self.told.end()
        self.assertEqual(len(self.numbers()), 5000)
        self.assertLessEqual(max(len(w.get('metrics', [])) for w in self.words), 1000)

    def test_threads_share_it(self):
        def say(name):
            for step in range(500):
                self.told.metrics(step, {name: float(step)})

        threads = [threading.Thread(target=say, args=(f'm{i}',)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.told.end()
        self.assertEqual(len(set(self.numbers())), 8 * 500)

    @unittest.skipUnless(hasattr(os, 'fork'), 'no fork here')
    def test_a_forked_process_says_nothing_for_its_parent(self):
        read_end, write_end = os.pipe()
        pid = os.fork()
        if pid == 0:
            self.told.metrics(1, {'a': 1.0})
            self.told.end()
            os.write(write_end, str(len(self.words)).encode())
            os._exit(0)
        os.waitpid(pid, 0)
        self.assertEqual(os.read(read_end, 10), b'0')


def first(step):
    return {'step': step, 'values': {'loss': float(step)}}


class Outside(FolderTest):
    def test_the_same_function_runs_without_a_job(self):
        self.write('state/model', 'x')
        before = os.getcwd()
        os.chdir(self.folder)
        self.addCleanup(os.chdir, before)
        culm.report(0, loss=1, accuracy=float('nan'))
        culm.progress(1, 2, 'half')
        culm.checkpoint('state')
        self.assertEqual((culm.restored(), culm.remaining_seconds()), (False, None))

    def test_wrong_types_are_told_by_the_name_of_the_argument(self):
        wrong = [
            ('step', lambda: culm.report(1.5, loss=1)),
            ('step', lambda: culm.report(True, loss=1)),
            ('loss', lambda: culm.report(1, loss='low')),
            ('loss', lambda: culm.report(1, loss=None)),
            ('ok', lambda: culm.report(1, ok=True)),
            ('done', lambda: culm.progress('1')),
            ('total', lambda: culm.progress(1, [])),
            ('text', lambda: culm.progress(1, 2, b'x')),
            ('path', lambda: culm.checkpoint(3)),
        ]
        for name, act in wrong:
            with self.assertRaisesRegex(TypeError, f'^{name} must be'):
                act()
        for act in (
            lambda: culm.report(-1, a=1),
            lambda: culm.report(10**15, a=1),
            lambda: culm.report(1, **{'a\n': 1}),
            lambda: culm.report(1, **{'😀' * 101: 1}),
            lambda: culm.progress(-1),
            lambda: culm.progress(1, float('inf')),
        ):
            self.assertRaises(ValueError, act)

    def test_what_converts_to_a_number_is_one(self):
        class Scalar:
            def __float__(self):
                return 0.5

            def __index__(self):
                return 3

        culm.report(Scalar(), loss=Scalar(), large=10**400)

    def test_only_what_lies_in_the_working_folder_can_be_kept_and_only_plain_files(self):
        work = os.path.join(self.folder, 'work')
        self.write('outside', 'x')
        self.write('work/in/a', 'x')
        os.symlink(os.path.join(self.folder, 'outside'), os.path.join(work, 'in/link'))
        os.symlink(self.folder, os.path.join(work, 'folder-link'))
        os.mkfifo(os.path.join(work, 'pipe'))
        before = os.getcwd()
        os.chdir(work)
        self.addCleanup(os.chdir, before)
        culm.checkpoint('in')
        culm.checkpoint(os.path.join(work, 'in'))
        for path in ('../outside', '/etc/passwd', 'folder-link/outside', 'nothing', 'no/thing', 'pipe', '.', 'in/../..'):
            with self.assertRaises(CulmError, msg=path) as caught:
                culm.checkpoint(path)
            self.assertEqual(caught.exception.code, 'checkpoint_invalid', path)


class Setup(unittest.TestCase):
    def test_a_value_is_made_once_also_for_threads_that_ask_at_once(self):
        made = []
        gate = threading.Event()

        @culm.setup
        def model():
            """The model."""
            gate.wait(10)
            made.append(object())
            return made[-1]

        found = []
        threads = [threading.Thread(target=lambda: found.append(model())) for _ in range(5)]
        for thread in threads:
            thread.start()
        gate.set()
        for thread in threads:
            thread.join()
        self.assertEqual((len(made), set(map(id, found))), (1, {id(made[0])}))
        self.assertEqual((model.__name__, model.__doc__), ('model', 'The model.'))

    def test_an_error_is_not_remembered_and_none_is_a_value(self):
        tries = []

        @culm.setup
        def fragile():
            tries.append(1)
            if len(tries) == 1:
                raise OSError('not yet')

        self.assertRaises(OSError, fragile)
        self.assertEqual([fragile(), fragile(), len(tries)], [None, None, 2])

    def test_what_is_no_plain_function_is_refused(self):
        async def later():
            pass

        self.assertRaises(TypeError, culm.setup, later)
        self.assertRaises(TypeError, culm.setup, 3)


class InJobs(ServerTest):
    def start(self, source):
        self.write('bundle/steps.py', source)
        self.runner = RunnerProcess(os.path.join(self.folder, 'bundle'), self.server.url)
        self.addCleanup(lambda: self.runner.socket.fileno() >= 0 and self.runner.close())

    def begin(self, export, *args, job_id='j1', attempt=1, **more):
        folder = os.path.join(self.folder, job_id)
        os.makedirs(folder, exist_ok=True)
        word = {
            **{'t': 'run', 'jobId': job_id, 'taskId': 't1', 'workflowId': 'w1', 'index': 0, 'attempt': attempt},
            **{'bundle': 'b', 'module': 'steps', 'export': export, 'token': f'job-{job_id}-{attempt}'},
            **{'common': None, 'args': {'text': json.dumps({'a': args})}, 'folder': folder, **more},
        }
        self.runner.say(word)
        return folder

    def ended(self):
        """All that the runner said until the end of the job: what the job told, and the last word."""
        told = []
        while True:
            word = self.runner.hear()
            if word['t'] == 'done':
                return told, word
            told.append(word)

    def value(self, *args, **kwargs):
        self.begin(*args, **kwargs)
        _, done = self.ended()
        self.assertTrue(done['ok'], done)
        return json.loads(done['value']['text'])

    def test_what_a_job_says_is_heard_while_it_runs_and_whole_before_its_end(self):
        self.start(
            """
            import os, time, culm
            def fit(flag):
                culm.report(0, loss=1, note=float('nan'))
                culm.progress(1, total=3, text='one\\0')
                while not os.path.exists(flag):
                    time.sleep(0.01)
                for step in range(1, 1500):
                    culm.report(step, loss=1 / step)
                culm.progress(3, 3)
            """
        )
        flag = os.path.join(self.folder, 'flag')
        self.begin('fit', flag)
        self.assertEqual(
            self.runner.hear(),
            {**OF_J1, 'metrics': [{'step': 0, 'values': {'loss': 1.0, 'note': 'NaN'}}]},
        )
        self.assertEqual(self.runner.hear(), {**OF_J1, 'progress': {'done': 1.0, 'total': 3.0, 'text': 'one\u2400'}})
        open(flag, 'w').close()
        told, done = self.ended()
        self.assertTrue(done['ok'], done)
        self.assertEqual([m['step'] for w in told for m in w.get('metrics', [])], list(range(1, 1500)))
        self.assertEqual(told[-1]['progress'], {'done': 3.0, 'total': 3.0})

    def test_a_thread_that_a_job_left_behind_says_nothing_in_the_name_of_another(self):
        self.start(
            """
            import threading, culm
            go, said = threading.Event(), threading.Event()
            def leave():
                def late():
                    go.wait(10)
                    culm.report(1, late=1)
                    said.set()
                threading.Thread(target=late, daemon=True).start()
            def after():
                go.set()
                return said.wait(10)
            def quiet():
                return None
            """
        )
        self.value('leave')
        self.begin('after', job_id='j2')
        told, done = self.ended()
        self.assertEqual([w['jobId'] for w in told], ['j2'], 'it is of the job that runs')
        self.begin('quiet', job_id='j3')
        self.assertEqual(self.ended()[0], [])

    def test_remaining_time_is_of_the_limit_and_stands_still_while_the_job_awaits(self):
        self.start(
            """
            import time, culm
            from culm import work
            @work
            def part():
                return 1
            def left():
                return culm.remaining_seconds()
            def waits():
                before = culm.remaining_seconds()
                part()
                return before - culm.remaining_seconds()
            """
        )
        self.assertIsNone(self.value('left'))
        self.assertIsNone(self.value('left', wallSeconds=None))
        self.assertAlmostEqual(self.value('left', wallSeconds=100), 100, delta=10)
        self.server.workflows['w1'] = {'id': 'w1', 'kind': 'function', 'state': 'running', 'epoch': 1}
        self.server.bundles['b'] = {}
        self.begin('waits', wallSeconds=100)
        self.assertEqual(self.runner.hear()['t'], 'awaiting')
        since = time.monotonic()
        eventually(lambda: time.monotonic() > since + 1.5, 'the time that it waits')
        self.server.finish(self.server.next_job()['id'], '1')
        self.assertEqual(self.runner.hear()['t'], 'woken')
        self.runner.say({'t': 'resumed', 'jobId': 'j1'})
        _, done = self.ended()
        self.assertLess(json.loads(done['value']['text']), 1.4)

    def test_a_checkpoint_is_there_when_the_call_returns_and_unchanged_files_are_not_sent_again(self):
        self.start(
            """
            import os, pathlib, culm
            def fit():
                os.makedirs('state/deep')
                pathlib.Path('state/model').write_bytes(b'm' * 3_000_000)
                pathlib.Path('state/deep/empty').touch()
                os.symlink('model', 'state/latest')
                os.chdir('state')
                culm.checkpoint('state')
                with open('log', 'w') as log:
                    log.write('epoch 1')
                culm.checkpoint(pathlib.Path('state'))
                return culm.restored()
            """
        )
        self.assertFalse(self.value('fit'))
        files = {f['path']: f['bytes'] for f in self.server.checkpoints['j1']['files']}
        large = 3_000_000
        self.assertEqual(
            files, {'state/model': large, 'state/latest': large, 'state/deep/empty': 0, 'state/log': len('epoch 1')}
        )
        puts = self.server.requests_of('PUT', '/v1/content/')
        self.assertEqual(sorted(len(body) for _, _, body, _ in puts), [0, 7, large])

    def test_a_checkpoint_outlasts_a_server_that_is_away_and_says_when_its_attempt_is_over(self):
        from support import Drop, Problem

        self.start("import culm\ndef fit(path):\n    open(path, 'w').write(path)\n    culm.checkpoint(path)\n    return 1\n")
        drops = []

        def away(moment, method, path):
            if moment == 'before' and (method, path) not in drops:
                drops.append((method, path))
                raise Drop

        self.server.hooks.append(away)
        self.assertEqual(self.value('fit', 'a' * 200), 1)
        self.assertEqual([method for method, _ in drops], ['POST', 'PUT'])
        self.assertEqual(list(self.server.blobs.values()), [b'a' * 200])
        self.assertIn('j1', self.server.checkpoints)

        def over(moment, method, path):
            if path.endswith('/checkpoint'):
                raise Problem(409, 'attempt_over', 'it is over')

        self.server.hooks[:] = [over]
        self.begin('fit', 'b')
        _, done = self.ended()
        self.assertIn('attempt_over', done['error']['message'])

    def test_an_address_that_held_for_too_short_is_asked_for_again(self):
        from support import Problem

        self.start("import culm\ndef fit():\n    open('a', 'w').write('x')\n    culm.checkpoint('a')\n    return 1\n")
        refused = []

        def expired(moment, method, path):
            if method == 'PUT' and not refused:
                refused.append(path)
                raise Problem(403, 'signature_invalid', 'it has expired')

        self.server.hooks.append(expired)
        self.assertEqual(self.value('fit'), 1)
        self.assertEqual((len(refused), len(self.server.blobs)), (1, 1))

    def test_a_file_that_changes_while_it_is_kept_is_told_and_one_that_grows_is_kept_as_it_was(self):
        from culm._checkpoint import files_to_keep, keep
        from culm._inside import Keeping

        log, model = self.write('work/log', 'one'), self.write('work/model', 'old model')
        folder = os.path.join(self.folder, 'work')
        keeping = Keeping('j1', self.server.url, 'job-j1-1', folder, False)

        def meanwhile(moment, method, path):
            if moment == 'after' and path.endswith('/checkpoint'):
                self.write('work/log', 'one two')

        self.server.hooks.append(meanwhile)
        keep(keeping, files_to_keep(folder, 'log'))
        self.assertIn(hashlib.sha256(b'one').hexdigest(), self.server.blobs)
        self.server.hooks[:] = [lambda moment, *_: moment == 'after' and self.write('work/model', 'new')]
        with self.assertRaises(CulmError) as caught:
            keep(keeping, files_to_keep(folder, 'model'))
        self.assertEqual(caught.exception.code, 'checkpoint_invalid')
        self.assertTrue(os.path.exists(log) and os.path.exists(model))

    def test_a_job_that_was_restored_knows_it_and_the_next_one_is_not(self):
        self.start('import culm\ndef know():\n    return culm.restored()\n')
        self.assertEqual([self.value('know', restored=True), self.value('know', job_id='j2')], [True, False])

    def test_a_command_keeps_what_its_job_file_says(self):
        work = os.path.join(self.folder, 'work')
        self.write('work/out/state', 'kept')
        told = {'jobId': 'j7', 'attempt': 2, 'serverUrl': self.server.url, 'token': 'job-j7-2', 'folder': work}
        file = self.write('job.json', json.dumps({**told, 'restored': True}))
        program = 'import culm; culm.report(1, a=1); culm.checkpoint("out"); print(culm.restored())'
        env = {**os.environ, 'PYTHONPATH': PYTHON_FOLDER, 'CULM_JOB_FILE': file}
        printed = subprocess.run([sys.executable, '-c', program], cwd=work, env=env, capture_output=True, text=True)
        self.assertEqual((printed.stdout, printed.stderr), ('True\n', ''))
        self.assertEqual([f['path'] for f in self.server.checkpoints['j7']['files']], ['out/state'])


OF_J1 = {'t': 'told', 'jobId': 'j1', 'attempt': 1}


if __name__ == '__main__':
    unittest.main()
