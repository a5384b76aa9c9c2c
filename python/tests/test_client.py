"""The HTTP client, against the fake server of `support.py`: finding it, repeats, problems, secrets."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import unittest

from support import (
    DEADLINE_SECONDS,
    PYTHON_FOLDER,
    USER_TOKEN,
    Drop,
    FakeServer,
    FolderTest,
    Problem,
    ServerTest,
    eventually,
)

from culm import Client, CulmError
from culm._client import _is_stale
from culm._discover import discover, home_folder, keep_login
from culm._node import start_command


class Discovery(FolderTest):
    def home(self, url='http://127.0.0.1:7000', token='secret', pid=os.getpid()):
        self.write(
            'server.json', f'{{"url": "{url}", "pid": {pid}, "startedAt": "2026-01-01T00:00:00Z", "version": "0.1.0"}}'
        )
        if token:
            self.write('token', f'{token}\n')
        return {'CULM_HOME': self.folder}

    def test_the_environment_comes_first(self):
        env = {**self.home(), 'CULM_SERVER': 'https://culm.example.org', 'CULM_TOKEN': 'mine'}
        self.assertEqual(discover(env), ('https://culm.example.org', 'mine'))

    def test_the_home_has_the_server_of_this_machine(self):
        self.assertEqual(discover(self.home()), ('http://127.0.0.1:7000', 'secret'))

    def test_a_server_that_is_named_without_a_token_gets_that_of_the_home_only_if_it_is_the_home_s(self):
        env = self.home()
        self.assertEqual(discover({**env, 'CULM_SERVER': 'http://127.0.0.1:7000/'})[1], 'secret')
        with self.assertRaises(CulmError) as caught:
            discover({**env, 'CULM_SERVER': 'https://culm.example.org'})
        self.assertEqual(caught.exception.code, 'unauthenticated')

    def test_without_a_server_it_says_how_to_start_one(self):
        dead = subprocess.Popen([sys.executable, '-c', ''])
        dead.wait()
        for env in ({'CULM_HOME': os.path.join(self.folder, 'nothing')}, self.home(pid=dead.pid)):
            with self.assertRaises(CulmError) as caught:
                discover(env)
            self.assertEqual(caught.exception.code, 'server_unknown')
            self.assertIn(f'Start one with `{start_command()}`', str(caught.exception))

    def test_who_has_logged_in_somewhere_speaks_to_that_server_unless_one_runs_here_or_is_named(self):
        keep_login('https://culm.example.org', 'of-the-login', {'CULM_HOME': self.folder})
        there = ('https://culm.example.org', 'of-the-login')
        self.assertEqual(discover({'CULM_HOME': self.folder}), there)
        env = self.home()
        self.assertEqual(discover(env), ('http://127.0.0.1:7000', 'secret'))
        self.assertEqual(discover({**env, 'CULM_SERVER': 'https://culm.example.org/'})[1], 'of-the-login')
        with self.assertRaises(CulmError) as caught:
            discover({**env, 'CULM_SERVER': 'https://other.example.org'})
        self.assertEqual(caught.exception.code, 'unauthenticated')
        dead = subprocess.Popen([sys.executable, '-c', ''])
        dead.wait()
        self.assertEqual(discover(self.home(pid=dead.pid)), there)

    def test_a_login_is_for_its_user_alone(self):
        home = os.path.join(self.folder, 'new')
        before = os.umask(0)
        try:
            path = keep_login('https://culm.example.org', 'hush', {'CULM_HOME': home})
            keep_login('https://culm.example.org', 'changed', {'CULM_HOME': home})
        finally:
            os.umask(before)
        self.assertEqual([os.stat(place).st_mode & 0o777 for place in (home, path)], [0o700, 0o600])
        self.assertEqual(os.listdir(home), ['login.json'])
        self.assertEqual(discover({'CULM_HOME': home})[1], 'changed')

    def test_a_broken_record_is_as_good_as_none(self):
        for text in ('', '[]', '{"url": 1}', '{'):
            self.write('server.json', text)
            with self.assertRaises(CulmError) as caught:
                discover({'CULM_HOME': self.folder})
            self.assertEqual(caught.exception.code, 'server_unknown')

    def test_a_token_that_cannot_be_read_is_named_with_its_path(self):
        with self.assertRaises(CulmError) as caught:
            discover(self.home(token=''))
        self.assertIn(os.path.join(self.folder, 'token'), str(caught.exception))

    def test_a_tilde_in_the_home_is_the_user_s(self):
        self.assertEqual(home_folder({'CULM_HOME': '~/lab'}), os.path.join(os.path.expanduser('~'), 'lab'))


class Calls(ServerTest):
    def setUp(self):
        super().setUp()
        self.client = Client()
        self.addCleanup(self.client.close)

    def drop(self, moment, times):
        """The connection ends before the server has seen a request, or after its effect."""
        left = [times]

        def hook(when, method, path):
            if when == moment and left[0] > 0:
                left[0] -= 1
                raise Drop

        self.server.hooks.append(hook)

    def test_it_finds_the_server_and_says_who_it_is(self):
        self.assertEqual(self.client.get('/v1/me')['kind'], 'user')

    def test_a_keyed_write_whose_reply_was_lost_is_repeated_and_has_one_effect(self):
        self.drop('after', 2)
        reply = self.client.post('/v1/workflows', {'name': 'a', 'kind': 'tasks'}, key='k1')
        self.assertEqual(len(self.server.workflows), 1)
        self.assertIn(reply['workflowId'], self.server.workflows)
        self.assertEqual(len(self.server.requests_of('POST', '/v1/workflows')), 3)

    def test_a_read_is_repeated(self):
        self.drop('before', 2)
        self.assertEqual(self.client.get('/v1/me')['kind'], 'user')

    def test_a_write_without_a_key_is_not_repeated(self):
        self.drop('after', 1)
        with self.assertRaises(CulmError) as caught:
            self.client.post('/v1/workflows', {'name': 'a', 'kind': 'tasks'})
        self.assertEqual(caught.exception.code, 'server_away')
        self.assertEqual(len(self.server.workflows), 1)

    def test_a_server_that_comes_back_is_found_again_on_a_fresh_connection(self):
        self.client.get('/v1/me')
        port = self.server.port
        self.server.close()
        again = []
        timer = threading.Timer(0.2, lambda: again.append(FakeServer(port)))
        timer.start()
        self.assertEqual(self.client.get('/v1/me')['kind'], 'user')
        timer.join()
        self.addCleanup(again[0].close)

    def test_a_server_that_stays_away_is_an_error_after_its_time(self):
        with socket.socket() as free:
            free.bind(('127.0.0.1', 0))
            url = f'http://127.0.0.1:{free.getsockname()[1]}'
        with self.assertRaises(CulmError) as caught:
            Client(url, 'x', retry_seconds=0.3).get('/v1/me')
        self.assertEqual(caught.exception.code, 'server_away')
        self.assertIn(url, str(caught.exception))

    def test_a_problem_is_an_error_with_its_code_and_help(self):
        with self.assertRaises(CulmError) as caught:
            self.client.post('/v1/workflows', {'name': 'a', 'kind': 'tasks', 'colour': 'red'}, key='k')
        error = caught.exception
        self.assertEqual((error.code, error.help), ('invalid_input', 'what to do'))
        self.assertIn('colour: unknown', str(error))
        with self.assertRaises(CulmError) as caught:
            with Client(self.server.url, 'wrong') as stranger:
                stranger.get('/v1/me')
        self.assertEqual(caught.exception.code, 'unauthenticated')

    def test_a_busy_server_is_asked_again(self):
        busy = [Problem(503, 'overloaded'), Problem(503, 'database_away'), Problem(409, 'key_in_flight'), Problem(507, 'storage_full')]

        def hook(when, method, path):
            if when == 'before' and busy:
                raise busy.pop()

        self.server.hooks.append(hook)
        self.assertEqual(self.client.post('/v1/workflows', {'name': 'a', 'kind': 'tasks'}, key='k')['epoch'], 1)

    def test_connections_are_kept(self):
        for _ in range(20):
            self.client.get('/v1/me')
        self.assertEqual(len(self.server.http.open), 1)

    def test_a_connection_that_the_server_has_closed_meanwhile_is_not_used_for_a_write(self):
        self.client.get('/v1/me')
        self.server.http.drop_connections()
        eventually(lambda: _is_stale(self.client._idle[self.server.url][0]), 'the end of the connection')
        self.assertEqual(self.client.post('/v1/workflows', {'name': 'a', 'kind': 'tasks'})['epoch'], 1)

    def test_many_threads_may_use_it(self):
        kinds = []
        threads = [threading.Thread(target=lambda: kinds.append(self.client.get('/v1/me')['kind'])) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(DEADLINE_SECONDS)
        self.assertEqual(kinds, ['user'] * 16)

    def test_a_signed_address_gets_no_token(self):
        import hashlib

        content = b'some bytes'
        digest = hashlib.sha256(content).hexdigest()
        self.client.put_bytes(self.client.post('/v1/blobs', {'hash': digest, 'bytes': 10}, repeat=True)['url'], content)
        self.assertEqual(self.client.get_bytes(self.client.get(f'/v1/blobs/{digest}')['url']), content)
        sent = [headers for _, path, _, headers in self.server.requests if path.startswith('/v1/content/')]
        self.assertEqual([h.get('Authorization') for h in sent], [None, None])

    def test_plain_http_is_refused_off_this_machine(self):
        for url in ('http://culm.example.org', 'http://10.0.0.1:80', 'ftp://127.0.0.1', 'culm.example.org'):
            with self.assertRaises(CulmError) as caught:
                Client(url, 'x')
            self.assertEqual(caught.exception.code, 'plain_http')
        with self.assertRaises(CulmError) as caught:
            self.client.get_bytes('http://culm.example.org/v1/content/x')
        self.assertEqual(caught.exception.code, 'plain_http')

    def test_a_child_that_was_forked_speaks_on_connections_of_its_own(self):
        self.client.get('/v1/me')
        program = (
            'import os, sys; from culm import Client; c = Client(); c.get("/v1/me"); pid = os.fork()\n'
            'c.get("/v1/me")\n'
            'sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) if pid else 0)'
        )
        env = {'PYTHONPATH': PYTHON_FOLDER, 'CULM_SERVER': self.server.url, 'CULM_TOKEN': USER_TOKEN}
        before = len(self.server.http.open)
        subprocess.run([sys.executable, '-W', 'ignore', '-c', program], env=env, check=True, timeout=DEADLINE_SECONDS)
        self.assertEqual(len(self.server.http.open) - before, 2)


if __name__ == '__main__':
    unittest.main()
