"""The runner, as a real process over its real protocol; the pilot's side is in this test."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import unittest

from support import FolderTest, RunnerProcess, Trap, eventually

from culm._values import encode_arguments

try:
    import numpy
except ImportError:
    numpy = None


class RunnerTest(FolderTest):
    def setUp(self):
        super().setUp()
        self.jobs = 0

    def start(self, **sources):
        for name, text in sources.items():
            self.write(f'bundle/{name}.py', text)
        self.runner = RunnerProcess(os.path.join(self.folder, 'bundle'))
        self.addCleanup(lambda: self.runner.socket.fileno() >= 0 and self.runner.close())
        return self.runner

    def begin(self, export, *args, module='steps', common=None, own=None, attempt=1, **kwargs):
        """Gives the runner a job."""
        self.jobs += 1
        job_id = f'j{self.jobs}'
        folder = os.path.join(self.folder, job_id)
        os.makedirs(folder)
        ids = {'jobId': job_id, 'taskId': 't1', 'workflowId': 'w1', 'index': 0, 'attempt': attempt, 'bundle': 'b'}
        texts = {'common': common, 'args': own or {'text': json.dumps({'a': args, 'k': kwargs})}}
        rest = {'module': module, 'export': export, 'token': 'x', 'folder': folder}
        self.runner.say({'t': 'run', **ids, **texts, **rest})

    def run_job(self, *args, **kwargs):
        """Runs a function, and gives what the runner says of its end."""
        self.begin(*args, **kwargs)
        return self.runner.hear()

    def value(self, *args, **kwargs):
        done = self.run_job(*args, **kwargs)
        self.assertTrue(done['ok'], done)
        return done['value']['text']

    def error(self, *args, **kwargs):
        done = self.run_job(*args, **kwargs)
        self.assertFalse(done['ok'], done)
        return done['cause'], done['error']


class Jobs(RunnerTest):
    def test_a_function_gets_its_arguments_and_gives_its_value(self):
        self.start(steps='def add(a, b=0, *rest, scale=1):\n    return (a + b + sum(rest)) * scale\n')
        self.assertEqual(self.value('add', 1, 2, 3), '6')
        self.assertEqual(self.value('add', 1, scale=2.5), '2.5')

    def test_those_of_the_task_come_first_and_named_ones_of_the_job_win(self):
        self.start(steps='def show(*a, **k):\n    return [list(a), k]\n')
        common = {'text': '{"a":[1],"k":{"x":1,"y":1}}'}
        self.assertEqual(self.value('show', 2, common=common, y=2), '[[1,2],{"x":1,"y":2}]')

    def test_large_ones_of_the_task_are_read_once_and_each_job_has_its_own(self):
        self.start(steps='def change(i, table):\n    table["rows"].append(i)\n    return table["rows"]\n')
        path = self.write('common.json', '{"a":[],"k":{"table":{"rows":[0]}}}')
        self.runner.say({'t': 'task'})
        for i in range(1, 5):
            self.assertEqual(self.value('change', i, common={'file': path}), f'[0,{i}]')
            if i == 1:
                os.remove(path)
        self.runner.say({'t': 'task'})
        path = self.write('common.json', '{"a":[],"k":{"table":{"rows":[7]}}}')
        self.assertEqual(self.value('change', 1, common={'file': path}), '[7,1]')

    @unittest.skipIf(numpy is None, 'NumPy is not installed')
    def test_arrays_of_the_task_are_mapped_and_each_job_may_write_into_its_own(self):
        self.start(
            steps="""
def change(i, table, void):
    table[0] += i
    base = table
    while getattr(base, 'base', None) is not None:
        base = base.base
    return [table.tolist(), void.size, type(getattr(base, 'obj', base)).__name__]
"""
        )
        path = self.write(
            'common.json', encode_arguments((), {'table': numpy.arange(3), 'void': numpy.zeros(0)})
        )
        self.runner.say({'t': 'task'})
        changed = [json.loads(self.value('change', i, common={'file': path})) for i in range(5, 9)]
        self.assertEqual([table for table, _, _ in changed], [[i, 1, 2] for i in range(5, 9)])
        self.assertEqual([kind for _, _, kind in changed], ['ndarray', 'mmap', 'mmap', 'mmap'])

    def test_falsy_values_are_values(self):
        self.start(steps='def same(x=None):\n    return x\n')
        for text in ('null', 'false', '0', '[]', '""'):
            self.assertEqual(self.value('same', json.loads(text)), text)

    def test_the_raw_function_of_a_work_is_run(self):
        self.start(steps='from culm import work\n@work(cores=2)\ndef square(x):\n    return x * x\n')
        self.assertEqual(self.value('square', 3), '9')

    def test_an_async_function_is_awaited(self):
        self.start(steps='import asyncio\nasync def later(x):\n    await asyncio.sleep(0)\n    return x\n')
        self.assertEqual(self.value('later', 1), '1')

    def test_a_script_runs_under_another_name(self):
        script = (
            'import dataclasses\n@dataclasses.dataclass\nclass P:\n    x: int\n'
            'def name():\n    return [__name__, P(1).x]\nif __name__ == "__main__":\n    raise SystemExit("ran")\n'
        )
        self.write('bundle/my-script.v2.py', script)
        self.start()
        self.assertEqual(self.value('name', module='my-script.v2.py'), '["__culm_main__",1]')

    def test_modules_come_from_the_bundle_before_anything_else(self):
        self.start(
            steps='import sys\nfrom pack.inner import where\n',
            **{'pack/__init__': '', 'pack/inner': 'def where():\n    return __file__\n'},
        )
        self.assertEqual(json.loads(self.value('where')), os.path.join(self.folder, 'bundle/pack/inner.py'))

    def test_modules_stay_loaded_between_jobs(self):
        self.start(steps='n = 0\ndef count():\n    global n\n    n += 1\n    return n\n')
        self.assertEqual([self.value('count') for _ in range(3)], ['1', '2', '3'])

    def test_a_job_runs_in_its_own_folder(self):
        self.start(steps='import os\ndef here():\n    return os.getcwd()\n')
        self.assertEqual(json.loads(self.value('here')), os.path.join(self.folder, 'j1'))
        self.assertEqual(json.loads(self.value('here')), os.path.join(self.folder, 'j2'))

    def test_large_arguments_and_values_go_through_files(self):
        self.start(steps='def twice(x):\n    return x * 2\n')
        path = self.write('args.json', json.dumps({'a': ['é' * 400_000]}))
        done = self.run_job('twice', own={'file': path}, attempt=2)
        with open(done['value']['file'], encoding='utf-8') as file:
            self.assertEqual(json.load(file), 'é' * 800_000)
        self.assertEqual(done['attempt'], 2)
        self.assertTrue(done['value']['file'].startswith(os.path.join(self.folder, 'j1')))

    def test_usage_is_that_of_the_job(self):
        self.start(
            steps='def big():\n    x = bytearray(b"x") * 80_000_000\ndef small():\n    return sum(range(300_000))\n'
        )
        big = self.run_job('big')['usage']['maxRssMb']
        usage = self.run_job('small')['usage']
        self.assertGreater(big, 80)
        if sys.platform == 'linux':
            self.assertLess(usage['maxRssMb'], 80)
        self.assertGreater(usage['cpuSeconds'], 0)


class Errors(RunnerTest):
    def test_the_traceback_has_the_user_s_own_lines_only(self):
        self.start(steps='def outer(x):\n    return inner(x)\ndef inner(x):\n    raise ValueError(f"bad {x}")\n')
        cause, error = self.error('outer', 7)
        self.assertEqual((cause, error['type'], error['message']), ('user', 'ValueError', 'bad 7'))
        self.assertIn('File "steps.py", line 2, in outer', error['stack'])
        self.assertIn('raise ValueError(f"bad {x}")', error['stack'])
        self.assertNotIn('_runner', error['stack'])

    def test_the_cause_of_an_error_is_in_the_traceback(self):
        self.start(
            steps="""
                def f():
                    try:
                        {}["k"]
                    except KeyError as e:
                        raise RuntimeError("no k") from e
                """
        )
        stack = self.error('f')[1]['stack']
        self.assertIn('KeyError', stack)
        self.assertIn('direct cause', stack)

    def test_an_error_class_of_the_user_bears_its_module(self):
        self.start(
            steps='class Bad(Exception):\n    def __str__(self):\n        raise TypeError\ndef f():\n    raise Bad\n'
        )
        self.assertEqual(self.error('f')[1]['type'], 'steps.Bad')

    def test_an_exit_is_an_error_of_the_user(self):
        self.start(steps='import sys\ndef leave(code):\n    sys.exit(code)\n')
        for code in (3, 0, 'why'):
            cause, error = self.error('leave', code)
            self.assertEqual((cause, error['type']), ('user', 'SystemExit'))
            self.assertIn(f'exit code {code}', error['message'])

    def test_a_value_that_cannot_be_sent_is_an_error_of_the_user(self):
        self.start(steps='def f():\n    return {"model": object()}\n')
        cause, error = self.error('f')
        self.assertEqual(cause, 'user')
        self.assertIn("the value['model'] is a object", error['message'])

    def test_what_cannot_be_loaded_is_the_bundle_s_fault_with_a_remedy(self):
        self.start(
            steps='import no_such_package\n',
            broken='def :\n',
            raising='1 / 0\n',
            lazy='def f():\n    import no_such_package\n',
            empty='',
        )
        for module, kind, words in (
            ('steps', 'ModuleNotFoundError', 'install it there'),
            ('broken', 'SyntaxError', ''),
            ('raising', 'ZeroDivisionError', ''),
            ('lazy', 'ModuleNotFoundError', sys.executable),
            ('missing', 'ModuleNotFoundError', 'missing'),
            ('empty', 'culm.CulmError', 'empty has no function f'),
        ):
            cause, error = self.error('f', module=module)
            self.assertEqual((cause, error['type']), ('bundle', kind), module)
            self.assertIn(words, error['message'])

    def test_a_pickle_is_not_opened_for_a_work_that_has_not_asked_for_it(self):
        self.start(
            steps="""
                from culm import work
                @work
                def f(x):
                    pass
                @work(codec="pickle")
                def g(x):
                    pass
                """
        )
        text = encode_arguments([Trap(os.path.join(self.folder, 'sprung'))], {}, True)
        for where in ({'own': {'text': text}}, {'common': {'text': text}, 'own': {'text': '{"a":[]}'}}):
            self.assertIn("@work(codec='pickle')", self.error('f', **where)[1]['message'])
        self.assertNotIn('sprung', os.listdir(self.folder))
        self.value('g', own={'text': text})
        self.assertIn('sprung', os.listdir(self.folder))

    def test_wrong_arguments_are_an_error_of_the_user(self):
        self.start(steps='def f(x):\n    return x\n')
        self.assertEqual(self.error('f')[1]['type'], 'TypeError')

    def test_long_and_odd_messages_fit(self):
        self.start(steps='def f(n):\n    raise ValueError("\\ud800\\0" + "é" * n)\n')
        for n in (1, 1_000_000):
            error = self.error('f', n)[1]
            error['message'].encode('utf-8')
            self.assertNotIn('\0', error['message'] + error['stack'])
            self.assertLessEqual(len(error['message']), 10_000)
            self.assertLessEqual(len(error['stack']), 100_000)

    def test_a_work_called_during_import_is_refused(self):
        self.start(steps='from culm import work\n@work\ndef f(x):\n    return x\nprint(f(1))\n')
        cause, error = self.error('f', 1)
        self.assertEqual((cause, error['type']), ('bundle', 'culm.CulmError'))
        self.assertIn('__name__', error['message'])

    def test_a_workflow_started_during_import_is_refused(self):
        self.start(
            steps="""
                from culm import work, workflow
                @workflow
                def main():
                    open("ran", "w")
                @work
                def f():
                    pass
                main()
                """
        )
        self.assertIn('work_during_import', self.error('f')[1]['message'])
        self.assertEqual(os.listdir(os.path.join(self.folder, 'j1')), [])

    def test_a_runner_goes_on_after_every_error(self):
        self.start(steps='def f(x):\n    return 1 // x\n')
        self.error('f', 0)
        self.assertEqual(self.value('f', 1), '1')


class Prints(RunnerTest):
    def test_output_is_told_apart_by_its_marks(self):
        self.start(
            steps="""
                import os, sys
                def f(x):
                    print("out", x)
                    print("err", x, file=sys.stderr)
                    os.write(1, b"raw\\n")
                """
        )
        for n in (1, 2):
            self.run_job('f', n)
            self.assertEqual(self.runner.text('stdout', f'j{n}'), f'out {n}\nraw\n')
            self.assertEqual(self.runner.text('stderr', f'j{n}'), f'err {n}\n')

    def test_a_line_is_out_before_the_job_ends(self):
        self.start(steps='import os\ndef f(path):\n    print("begun")\n    open(path).close()\n')
        fifo = os.path.join(self.folder, 'fifo')
        os.mkfifo(fifo)
        self.begin('f', fifo)
        eventually(lambda: self.runner.printed['stdout'] == b'begun\n', 'the first line')
        os.close(os.open(fifo, os.O_WRONLY))
        self.assertTrue(self.runner.hear()['ok'])

    def test_replaced_and_closed_streams_are_put_right_again(self):
        self.start(
            steps="""
                import io, sys
                def f():
                    sys.stdout = io.StringIO()
                    print("lost")
                def g():
                    sys.stdout.close()
                def h():
                    print("seen", "\\ud800")
                """
        )
        self.run_job('f')
        self.assertEqual(self.runner.text('stdout', 'j1'), '')
        self.run_job('h')
        self.assertEqual(self.runner.text('stdout', 'j2'), 'seen \\ud800\n')
        self.assertTrue(self.run_job('g')['ok'])
        self.assertTrue(self.run_job('f')['ok'])

    def test_what_c_code_has_buffered_belongs_to_its_job(self):
        self.start(steps='import ctypes\ndef f():\n    ctypes.CDLL(None).printf(b"from C\\n")\n')
        self.run_job('f')
        self.assertEqual(self.runner.text('stdout', 'j1'), 'from C\n')


class Life(RunnerTest):
    def test_it_ends_when_the_pilot_has_gone(self):
        self.start(steps='')
        self.assertIn(self.runner.close(), (0, 1))

    def test_it_ends_in_the_middle_of_a_job_when_the_pilot_has_gone(self):
        self.start(steps='import time\ndef f(path):\n    open(path, "w").close()\n    time.sleep(600)\n')
        began = os.path.join(self.folder, 'began')
        self.begin('f', began)
        eventually(lambda: os.path.exists(began), 'the start of the job')
        self.assertEqual(self.runner.close(), 1)

    @unittest.skipUnless(os.path.isdir('/proc/self/fd'), 'this system has no /proc')
    def test_its_channel_is_not_inherited(self):
        self.start(
            steps='import os\ndef f():\n    return os.system("readlink /proc/self/fd/3 > fds"), open("fds").read()\n'
        )
        self.assertNotIn('socket', self.value('f'))

    def test_it_needs_no_environment(self):
        program = [
            sys.executable,
            '-c',
            'import culm._runner, sys; print(sorted({"ssl", "asyncio", "http.client", "inspect"} & set(sys.modules)))',
        ]
        env = {'PYTHONPATH': os.path.dirname(os.path.dirname(os.path.abspath(__file__)))}
        found = subprocess.run([*program[:1], '-S', *program[1:]], env=env, capture_output=True, check=True, text=True)
        self.assertEqual(found.stdout.strip(), '[]', 'a runner starts faster without these')


if __name__ == '__main__':
    unittest.main()
