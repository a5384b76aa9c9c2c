"""What works and workflow functions say of where they run, against the fake server of `support.py`."""

from __future__ import annotations

import json
import os
import sys

from support import ServerTest

from culm import CulmError, work

STEPS = """
    from culm import work, workflow

    @work(requirements='locks/own.txt', post_script='echo after')
    def fit(x):
        return x

    @work
    def plain(x):
        return x

    @workflow(init_env='source setup.sh', image='', requirements='numpy==2.1.0')
    def main():
        plain.submit(1)
"""
LOCK = 'numpy==1.26.4\n'
CONDA = '''@EXPLICIT
https://conda.example/noarch/python-dateutil-2.9.0-1.conda
https://conda.example/linux-64/python-{}.7-h1_0.conda
'''


class EnvironmentTest(ServerTest):
    def setUp(self):
        super().setUp()
        self.write('steps.py', STEPS)
        self.write('locks/own.txt', LOCK)
        self.steps = self.load('steps')

    def payloads(self):
        return [json.loads(body)['payload'] for _, _, body, _ in self.server.requests_of('POST', '/v1/tasks')]

    def environment(self, **options):
        """As it is sent for a work with these options."""
        self.steps.plain.with_options(**options).submit(1)
        return self.payloads()[-1].get('environment')

    def test_a_lock_file_is_read_beside_its_work_and_shipped_with_it(self):
        self.steps.fit.submit(1)
        payload = self.payloads()[0]
        self.assertEqual(payload['environment'], {'requirements': LOCK, 'postScript': 'echo after'})
        files = [file['path'] for file in self.server.bundles[payload['bundle']]['files']]
        self.assertEqual(files, ['steps.py', 'locks/own.txt'])

    def test_a_lock_file_may_be_given_by_its_full_path_or_its_text(self):
        path = os.path.join(self.folder, 'locks/own.txt')
        self.assertEqual(self.environment(requirements=path), {'requirements': LOCK})
        self.assertEqual(self.environment(requirements='numpy==2.1.0'), {'requirements': 'numpy==2.1.0'})
        self.assertEqual(self.environment(conda=CONDA), {'conda': CONDA})

    def test_one_that_is_not_there_is_said_before_anything_is_submitted(self):
        with self.assertRaises(CulmError) as caught:
            self.environment(conda='none.txt')
        self.assertEqual(caught.exception.code, 'environment_invalid')
        self.assertIn(os.path.join(self.folder, 'none.txt'), str(caught.exception))
        self.assertEqual(self.payloads(), [])

    def test_each_setting_has_the_name_that_the_server_gives_it(self):
        options = {'init_env': 'i', 'clean_env': 'c', 'post_script': 'p', 'image': 'm'}
        said = {'initEnv': 'i', 'cleanEnv': 'c', 'postScript': 'p', 'image': 'm'}
        self.assertEqual(self.environment(**options), said)
        self.assertIsNone(self.environment())

    def test_an_empty_one_is_sent_since_it_switches_off_what_others_say(self):
        self.assertEqual(self.environment(image='', init_env=None), {'image': ''})

    def test_the_interpreter_is_that_of_this_program_unless_the_environment_has_its_own(self):
        for options, has in (
            ({'requirements': 'numpy==2.1.0', 'post_script': 'p', 'image': ''}, True),
            ({'init_env': 'source setup.sh'}, False),
            ({'conda': CONDA}, False),
            ({'image': 'host'}, False),
        ):
            self.environment(**options)
            self.assertEqual(self.payloads()[-1].get('interpreter'), sys.executable if has else None, options)

    def test_what_a_workflow_function_says_is_said_of_its_workflow(self):
        said = {'initEnv': 'source setup.sh', 'image': '', 'requirements': 'numpy==2.1.0'}
        self.steps.main()
        self.assertEqual(self.sent_workflows()[-1]['environment'], said)
        self.assertNotIn('environment', self.payloads()[-1])
        self.steps.main.submit()
        self.assertEqual(self.sent_workflows()[-1]['environment'], said)
        self.assertEqual(self.sent_workflows()[-1]['task']['payload']['environment'], said)

    def sent_workflows(self):
        requests = self.server.requests_of('POST', '/v1/workflows')
        return [json.loads(body) for _, path, body, _ in requests if path == '/v1/workflows']

    def test_what_is_pickled_needs_the_same_python_on_both_sides(self):
        pickled = work(codec='pickle')(self.steps.plain.fn)
        here, other = (f'{sys.version_info.major}.{sys.version_info.minor + n}' for n in (0, 1))
        pickled.with_options(conda=CONDA.format(here)).submit(1)
        with self.assertRaises(CulmError) as caught:
            pickled.with_options(conda=CONDA.format(other)).submit(1)
        self.assertEqual(caught.exception.code, 'environment_invalid')
        self.assertIn(f'`conda` has {other}', str(caught.exception))
        self.assertEqual(len(self.payloads()), 1)

    def test_one_that_was_captured_has_the_text_of_its_lock_file(self):
        inner = self.steps.plain.with_options(requirements=os.path.join(self.folder, 'locks/own.txt'))

        @work
        def outer(x):
            return inner(x)

        outer.submit(1)
        payload = self.payloads()[0]
        hashes = [file['hash'] for file in self.server.bundles[payload['bundle']]['files']]
        captured = b''.join(self.server.blobs[each] for each in hashes)
        self.assertIn(json.dumps({'requirements': LOCK}).encode(), captured.replace(b'":"', b'": "'))
