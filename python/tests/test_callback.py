"""Callbacks: where a job may ask for one, and what the runner makes of a job that returns it."""

from __future__ import annotations

import json
import os

from support import FolderTest, RunnerProcess

import culm
from culm._scope import Scope, entered

SOURCE = """
    from culm import Callback

    def ask(job_id, attempt=1):
        return Callback('http://here/v1/callbacks/j1', '2030-01-01T00:00:00.000Z', job_id, attempt)

    async def ask_async(job_id):
        return ask(job_id)

    def hides(job_id):
        return {'later': ask(job_id)}
"""


class StubClient:
    """What a scope asks its server for."""

    url = 'http://here'

    def __init__(self):
        self.asked = []

    def post(self, path, body, **options):
        self.asked.append((path, body, options))
        return {'path': '/v1/callbacks/j5?a=2&x=9&s=z', 'expiresAt': '2030-01-01T00:00:00.000Z'}


class Asking(FolderTest):
    def test_in_a_job_it_gives_the_whole_address_and_when_that_ends(self):
        client = StubClient()
        with entered(Scope(lambda: client, 'w1', 'j5', 2)):
            later = culm.callback(seconds=60)
        self.assertEqual(client.asked, [('/v1/jobs/j5/callback', {'seconds': 60}, {'repeat': True})])
        self.assertEqual(later.url, 'http://here/v1/callbacks/j5?a=2&x=9&s=z')
        self.assertEqual(later.expires_at.isoformat(), '2030-01-01T00:00:00+00:00')

    def test_elsewhere_nothing_could_wait_for_a_value(self):
        with self.assertRaises(culm.CulmError) as caught:
            culm.callback()
        self.assertEqual(caught.exception.code, 'callback_misplaced')
        self.assertIn('inside a work', str(caught.exception))
        with entered(Scope(StubClient, 'w1', 'driver', 1)), self.assertRaises(culm.CulmError):
            culm.callback()


class Returning(FolderTest):
    def setUp(self):
        super().setUp()
        self.write('bundle/steps.py', SOURCE)
        self.runner = RunnerProcess(os.path.join(self.folder, 'bundle'))
        self.addCleanup(self.runner.close)

    def run_job(self, export, *args):
        """What the runner says of the end of job j1, attempt 1."""
        ids = {'jobId': 'j1', 'taskId': 't1', 'workflowId': 'w1', 'index': 0, 'attempt': 1, 'bundle': 'b'}
        texts = {'common': None, 'args': {'text': json.dumps({'a': args})}}
        place = {'module': 'steps', 'export': export, 'token': 'x', 'folder': self.folder}
        self.runner.say({'t': 'run', **ids, **texts, **place})
        return self.runner.hear()

    def test_a_job_that_returns_its_callback_ends_without_a_value(self):
        for export in ('ask', 'ask_async'):
            done = self.run_job(export, 'j1')
            self.assertTrue(done['ok'], done)
            self.assertEqual(done['later'], {'expiresAt': '2030-01-01T00:00:00.000Z'})
            self.assertNotIn('value', done)

    def test_one_of_another_job_or_attempt_is_an_error(self):
        for args in (['j2'], ['j1', 2]):
            done = self.run_job('ask', *args)
            self.assertFalse(done['ok'])
            self.assertIn('callback_misplaced', done['error']['message'])

    def test_inside_a_value_it_is_refused(self):
        done = self.run_job('hides', 'j1')
        self.assertFalse(done['ok'])
        self.assertIn('Callback', done['error']['message'])
