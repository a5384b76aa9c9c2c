"""What the tests share.

`FakeServer` is a small HTTP server in this process that speaks the real routes of the API, as far as the Python client
uses them (`src/contract/`), with a journal, idempotency keys and a resumable stream. It holds every job until a test
(or a `FakePilot`) ends it, and can be told to drop connections. `FakePilot` runs jobs in real runner processes, over
the real protocol (`src/contract/runner.ts`). `test_end_to_end.py` runs against a real server instead.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import json
import os
import queue
import shutil
import socket
import sys
import tempfile
import textwrap
import threading
import time
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

PYTHON_FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FIXTURES = os.path.join(os.path.dirname(PYTHON_FOLDER), 'fixtures')
sys.path.insert(0, PYTHON_FOLDER)

USER_TOKEN = 'token-of-a-user'
DEADLINE_SECONDS = 30.0


def fixture(name):
    with open(os.path.join(FIXTURES, name), encoding='utf-8') as file:
        return json.load(file)


def eventually(condition, what='the condition'):
    """Waits until a condition holds, and fails after a deadline."""
    until = time.monotonic() + DEADLINE_SECONDS
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > until:
            raise AssertionError(f'{what} did not come true within {DEADLINE_SECONDS} s')
        time.sleep(0.002)


class Trap:
    """Whoever unpickles it makes a folder."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


class FolderTest(unittest.TestCase):
    """A test with a folder of its own for sources, from which modules can be imported."""

    def setUp(self):
        super().setUp()
        self.folder = os.path.realpath(tempfile.mkdtemp(prefix='culm-test-'))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        modules = set(sys.modules)
        path = list(sys.path)
        self.addCleanup(self._forget_modules, modules, path)

    def _forget_modules(self, modules, path):
        sys.path[:] = path
        for name in set(sys.modules) - modules:
            if str(getattr(sys.modules[name], '__file__', None) or '').startswith(self.folder):
                del sys.modules[name]

    def write(self, path, text=''):
        place = os.path.join(self.folder, path)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with open(place, 'w', encoding='utf-8') as file:
            file.write(textwrap.dedent(text))
        return place

    def load(self, name):
        """Imports a module of the folder as a user's program would."""
        if self.folder not in sys.path:
            sys.path.insert(0, self.folder)
        importlib.invalidate_caches()
        return importlib.import_module(name)


class ServerTest(FolderTest):
    """A test with a fake server that the client discovers by its environment."""

    def setUp(self):
        super().setUp()
        from culm import _bundle

        _bundle._known.clear()  # Another server may have had the same port.
        self.server = FakeServer()
        self.addCleanup(self.server.close)
        for name, value in (('CULM_SERVER', self.server.url), ('CULM_TOKEN', USER_TOKEN)):
            self._set_env(name, value)
        self.addCleanup(end_session)

    def _set_env(self, name, value):
        before = os.environ.get(name)
        os.environ[name] = value
        self.addCleanup(lambda: os.environ.pop(name, None) if before is None else os.environ.__setitem__(name, before))


def end_session():
    """Ends the implicit session of this process, so that the next test is another program with a session of its own."""
    import atexit

    from culm import _run, _workflow

    driver, _workflow._session = _workflow._session, None
    if driver:
        atexit.unregister(_workflow._end_session)
        _workflow._end_session(driver)
    _run._begin_anew()


class Problem(Exception):
    def __init__(self, status, code, detail='', **data):
        super().__init__(code)
        self.status = status
        self.body = {
            'type': f'urn:culm:fault:{code}',
            'title': code,
            'status': status,
            'code': code,
            'detail': detail or code,
            'help': 'what to do',
            **data,
        }


class FakeServer:
    def __init__(self, port=0):
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.workflows = {}
        self.tasks = {}
        self.jobs = {}
        self.blobs = {}
        self.bundles = {}
        self.checkpoints = {}  # job -> manifest
        self.told = []  # outcomes in the order of their cursors
        self.requests = []  # (method, path, body, headers)
        self.replies = {}  # idempotency key -> (digest, status, reply)
        self.ready = queue.Queue()
        self.streams = []
        self.hooks = []  # called with (moment, method, path); may raise Drop
        self.ids = self.seqs = 0
        self.journal = {}  # (workflow, scope, key) -> entry
        self.logs = {}  # what jobs have printed
        self.page = 1000
        self.short_outcomes = True
        self.with_ids = True
        self.renew_seconds = 3600
        handler = type('Handler', (_Handler,), {'fake': self})
        self.http = _HttpServer(('127.0.0.1', port), handler)
        self.port = self.http.server_address[1]
        self.url = f'http://127.0.0.1:{self.port}'
        threading.Thread(target=self.http.serve_forever, kwargs={'poll_interval': 0.01}, daemon=True).start()

    def close(self):
        self.http.shutdown()
        self.http.server_close()
        self.http.drop_connections()

    # What tests ask and do

    def requests_of(self, method, path_part):
        with self.lock:
            return [r for r in self.requests if r[0] == method and path_part in r[1]]

    def job_of(self, task_id, index=0):
        return self.tasks[task_id]['jobs'][index]

    def next_job(self):
        return self.ready.get(timeout=DEADLINE_SECONDS)

    def finish(self, job_id, text):
        self.end(job_id, {'state': 'finished', 'value': {'text': text}})

    def fail(self, job_id, cause='user', state='failed', **error):
        self.end(job_id, {'state': state, 'cause': cause, **({'error': error} if error else {})})

    def end(self, job_id, how):
        with self.lock:
            job = self.jobs[job_id]
            if job['outcome']:
                return
            told = {'jobId': job_id, 'taskId': job['taskId'], 'index': job['index'], 'attempt': 1, **how}
            job['outcome'] = told
            self.end_with_job(job, how)
            self.tell(told)

    def end_with_job(self, job, how):
        """A workflow whose function is a job ends as that."""
        workflow = self.workflows[self.tasks[job['taskId']]['workflowId']]
        if workflow['kind'] == 'job' and workflow['job']['jobId'] == job['id'] and workflow['state'] == 'running':
            state = {'finished': 'done'}.get(how['state'], how['state'])
            workflow.update(state=state, ended=how)

    def tell(self, told):
        with self.lock:
            self.told.append(told)
            for stream in self.streams:
                stream.put(len(self.told))
            self.changed.notify_all()

    def wait(self, condition):
        with self.changed:
            if not self.changed.wait_for(condition, DEADLINE_SECONDS):
                raise AssertionError('the server did not see it in time')

    def new_id(self, noun):
        self.ids += 1
        return f'{noun}{self.ids}'

    # The routes

    def route(self, method, path, query, body, headers):
        parts = path.strip('/').split('/')[1:]
        token = headers.get('Authorization', '').replace('Bearer ', '')
        if parts[0] == 'content':
            if token:
                raise AssertionError('a token was sent to a signed address')
            return self.content(method, parts[1], body)
        if token != USER_TOKEN and not token.startswith('job-'):
            raise Problem(401, 'unauthenticated')
        handle = getattr(self, '_'.join([method.lower(), parts[0], *parts[2:]]), None)
        if handle is None:
            raise Problem(404, 'route_unknown', path)
        wanted = json.loads(body) if method == 'POST' else query
        scope = 'driver' if token == USER_TOKEN else token.split('-')[1]
        key = headers.get('Idempotency-Key')
        if key is None:
            return handle(parts[1] if len(parts) > 1 else None, wanted, scope)
        digest = hashlib.sha256(body).hexdigest()
        if key in self.replies:
            if self.replies[key][0] != digest:
                raise Problem(409, 'key_reused')
            return self.replies[key][1]
        reply = handle(None, wanted, scope)
        self.replies[key] = (digest, reply)
        return reply

    def post_workflows(self, _, body, scope):
        only(body, 'name', 'kind', 'labels', 'run', 'task', 'environment')
        only(body.get('environment', {}), *SETTINGS)
        run = body.get('run') or {}
        only(run, 'id', 'key', 'program', 'code', 'arguments', 'acceptCode')
        place = (run.get('id'), run.get('key'))
        row = next((w for w in self.workflows.values() if run and w['place'] == place), None)
        if row:
            return self.continued(row, run)
        row = {
            'id': self.new_id('w'),
            **body,
            'state': 'running',
            'ended': None,
            'place': place,
            'epoch': 1,
            'job': None,
        }
        self.workflows[row['id']] = row
        if body['kind'] == 'job':
            row.update(epoch=0, job=self.function_job(row['id'], body['task']))
        return self.started(row, False)

    def function_job(self, workflow_id, body):
        only(body, *('name', 'payload', 'args', 'queue', 'site', 'cores', 'memoryMb', 'gpus', 'wallSeconds', 'attempts'), 'priority')
        if body['payload']['bundle'] not in self.bundles:
            raise Problem(404, 'bundle_unknown')
        place = {'workflowId': workflow_id, 'scope': 'driver', 'place': None, 'jobs': [], 'closed': True}
        task = {**body, 'id': self.new_id('t'), **place}
        self.tasks[task['id']] = task
        self.add(task, [{'args': body['args']}])
        return {'taskId': task['id'], 'jobId': task['jobs'][0]}

    def continued(self, row, run):
        before = row['run']
        if row['state'] not in ('running', 'done') and row['kind'] != 'job':
            raise Problem(409, 'workflow_ended')
        if run.get('arguments') != before.get('arguments'):
            raise Problem(409, 'arguments_changed')
        if run.get('code') != before.get('code') and not run.get('acceptCode'):
            raise Problem(409, 'code_changed')
        before['code'] = run.get('code')
        if row['state'] == 'running' and row['kind'] != 'job':
            row['epoch'] += 1
        return self.started(row, True)

    def started(self, row, known):
        start = {'workflowId': row['id'], 'epoch': row['epoch'], 'renewSeconds': self.renew_seconds}
        value = (row['ended'] or {}).get('value')
        return {**start, 'known': known, 'state': row['state'], 'value': value, 'job': row['job']}

    def refuse(self, workflow_id, scope, epoch):
        row = self.workflows[workflow_id]
        if row['state'] != 'running':
            raise Problem(409, 'workflow_ended')
        if scope == 'driver' and epoch != row['epoch']:
            raise Problem(409, 'driver_replaced')

    def note(self, place, entry, seen):
        self.seqs += 1
        told = {'taskId': None, 'value': None, **entry, 'seen': seen, 'earlier': False}
        self.journal.pop(place, None)  # What is written anew comes last.
        self.journal[place] = {'seq': self.seqs, 'key': place[2], **told}

    def post_workflows_records(self, workflow_id, body, scope):
        only(body, 'key', 'epoch', 'value', 'seen')
        place = (workflow_id, scope, body['key'])
        if place in self.journal and not self.journal[place]['earlier']:
            return {'value': self.journal[place]['value'], 'known': True}
        self.refuse(workflow_id, scope, body['epoch'])
        self.note(place, {'value': body['value']}, body.get('seen'))
        return {'value': body['value'], 'known': False}

    def get_workflows_journal(self, workflow_id, query, scope):
        assert query['scope'] == scope
        after, limit = int(query['after']), min(int(query['limit']), self.page)
        found = [e for p, e in self.journal.items() if p[:2] == (workflow_id, scope) and e['seq'] > after]
        return {
            'items': [self.entry(e) for e in found[:limit]],
            'next': found[limit - 1]['seq'] if len(found) > limit else None,
        }

    def entry(self, e):
        if e['taskId'] is None:
            return {**e, 'jobs': 0, 'closed': True, 'firstJobId': None, 'outcome': None}
        task = self.tasks[e['taskId']]
        jobs = task['jobs']
        outcome = self.jobs[jobs[0]]['outcome'] if len(jobs) == 1 and self.short_outcomes else None
        return {**e, 'jobs': len(jobs), 'closed': task['closed'], 'firstJobId': jobs[0], 'outcome': outcome}

    def post_workflows_renew(self, workflow_id, body, scope):
        self.workflows[workflow_id].setdefault('renewals', []).append(body['epoch'])
        if self.workflows[workflow_id]['epoch'] != body['epoch']:
            raise Problem(409, 'driver_replaced')
        self.changed.notify_all()
        return {'state': self.workflows[workflow_id]['state']}

    def post_workflows_end(self, workflow_id, body, scope):
        only(body, 'epoch', 'state', 'value', 'error')
        workflow = self.workflows[workflow_id]
        if workflow['state'] != 'running':
            raise Problem(409, 'workflow_ended')
        self.refuse(workflow_id, scope, body['epoch'])
        workflow.update(state=body['state'], ended=body)
        return {'id': workflow_id}

    def post_workflows_cancel(self, workflow_id, body, scope):
        workflow = self.workflows[workflow_id]
        if workflow['state'] != 'running':
            raise Problem(409, 'not_cancellable')
        workflow['state'] = 'cancelled'
        jobs = [j for j in self.jobs.values() if self.tasks[j['taskId']]['workflowId'] == workflow_id]
        for job in jobs:
            self.fail(job['id'], 'cancelled', 'cancelled')
        return {'cancelled': len(jobs), 'asked': 0}

    def post_workflows_retry(self, workflow_id, body, scope):
        only(body, 'why')
        workflow = self.workflows[workflow_id]
        if workflow['state'] not in ('failed', 'cancelled'):
            raise Problem(409, 'not_retriable')
        workflow.update(state='running', ended=None, epoch=workflow['epoch'] + (workflow['kind'] != 'job'))
        for place, entry in self.journal.items():
            entry['earlier'] = entry['earlier'] or place[0] == workflow_id
        jobs = [j for j in self.jobs.values() if self.tasks[j['taskId']]['workflowId'] == workflow_id]
        lost = [j for j in jobs if j['outcome'] and j['outcome']['state'] != 'finished']
        for job in lost:
            job['outcome'] = None
            self.ready.put(job)
        return {'retried': len(lost)}

    def post_tasks(self, _, body, scope):
        only(
            body,
            *('workflowId', 'name', 'payload', 'common', 'jobs', 'open', 'after', 'call', 'labels', 'queue', 'cores'),
            *('site', 'memoryMb', 'gpus', 'wallSeconds', 'priority', 'attempts', 'lostAfterSeconds'),
        )
        only(body['payload'], 'kind', 'bundle', 'module', 'export', 'language', 'interpreter', 'environment')
        only(body['payload'].get('environment', {}), *SETTINGS)
        only(body['call'], 'key', 'epoch', 'seen')
        if body['payload']['bundle'] not in self.bundles:
            raise Problem(404, 'bundle_unknown')
        assert len(body['jobs']) <= 10_000 and len(body['call']['key']) <= 200
        place = (body['workflowId'], scope, body['call']['key'])
        known = next((t for t in self.tasks.values() if t['place'] == place), None)
        if known:
            return {'taskId': known['id'], 'firstJobId': known['jobs'][0], 'jobs': len(known['jobs']), 'known': True}
        self.refuse(body['workflowId'], scope, body['call']['epoch'])
        task = {
            **body,
            'id': self.new_id('t'),
            'scope': scope,
            'place': place,
            'jobs': [],
            'closed': not body.get('open'),
        }
        self.tasks[task['id']] = task
        self.note(place, {'taskId': task['id']}, body['call'].get('seen'))
        self.add(task, body['jobs'])
        return {'taskId': task['id'], 'firstJobId': task['jobs'][0], 'jobs': len(task['jobs']), 'known': False}

    def post_tasks_jobs(self, task_id, body, scope):
        only(body, 'firstIndex', 'jobs', 'close', 'epoch')
        task = self.tasks[task_id]
        self.refuse(task['workflowId'], scope, body.get('epoch'))
        if body['firstIndex'] == len(task['jobs']):
            if task['closed']:
                raise Problem(409, 'task_closed')
            self.add(task, body['jobs'])
        task['closed'] = task['closed'] or body['close']
        return {
            'taskId': task_id,
            'firstJobId': task['jobs'][body['firstIndex']],
            'jobs': len(body['jobs']),
            'known': False,
        }

    def add(self, task, jobs):
        for job in jobs:
            only(job, 'args', 'after')
            only(job['args'], 'text', 'blob', 'bytes')
            row = {
                'id': self.new_id('j'),
                'taskId': task['id'],
                'index': len(task['jobs']),
                'args': job['args'],
                'outcome': None,
            }
            self.jobs[row['id']] = row
            task['jobs'].append(row['id'])
            self.ready.put(row)
        self.changed.notify_all()

    def get_tasks_outcomes(self, task_id, query, scope):
        after, limit = int(query.get('after', -1)), int(query['limit'])
        found = [o for o in (self.jobs[j]['outcome'] for j in self.tasks[task_id]['jobs']) if o and o['index'] > after]
        page = found[:limit]
        return {'items': page, 'next': str(page[-1]['index']) if len(found) > limit else None}

    def post_tasks_cancel(self, task_id, body, scope):
        alive = [j for j in self.tasks[task_id]['jobs'] if not self.jobs[j]['outcome']]
        if not alive:
            raise Problem(409, 'not_cancellable')
        for job_id in alive:
            self.fail(job_id, 'cancelled', 'cancelled')
        return {'cancelled': len(alive), 'asked': 0}

    def get_jobs(self, job_id, query, scope):
        attempt = {'attempt': 1, 'startedAt': '2026-01-01T00:00:00.000Z', 'endedAt': '2026-01-01T00:00:01.000Z'}
        return {'id': job_id, 'attempts': [attempt]}

    def get_jobs_log(self, job_id, query, scope):
        text = self.logs.get(job_id, '')[int(query.get('after', 0)) :]
        items = [{'attempt': 1, 'stream': 'stdout', 'offset': 0, 'text': text}] if text else []
        return {'items': items, 'next': str(len(self.logs.get(job_id, ''))), 'ended': not items}

    def post_blobs(self, _, body, scope):
        only(body, 'hash', 'bytes')
        present = body['hash'] in self.blobs
        return {'present': present, 'url': None if present else f'/v1/content/{body["hash"]}?sig=1'}

    def get_blobs(self, digest, query, scope):
        if digest not in self.blobs:
            raise Problem(404, 'blob_unknown')
        return {'bytes': len(self.blobs[digest]), 'url': f'{self.url}/v1/content/{digest}?sig=1'}

    def content(self, method, digest, body):
        if method == 'GET':
            return self.blobs[digest]
        if hashlib.sha256(body).hexdigest() != digest:
            raise Problem(422, 'blob_mismatch')
        self.blobs[digest] = body
        return None

    def post_bundles(self, _, manifest, scope):
        from culm._bundle import manifest_text

        only(manifest, 'version', 'language', 'files')
        name = hashlib.sha256(manifest_text(manifest).encode()).hexdigest()
        missing = sorted({f['hash'] for f in manifest['files']} - set(self.blobs))
        if not missing:
            self.bundles[name] = manifest
        return {'bundle': name, 'missing': [{'hash': h, 'url': f'/v1/content/{h}?sig=1'} for h in missing]}

    def post_jobs_checkpoint(self, job_id, manifest, scope):
        only(manifest, 'version', 'files')
        assert scope == job_id
        missing = sorted({f['hash'] for f in manifest['files']} - set(self.blobs))
        if not missing:
            self.checkpoints[job_id] = manifest
        return {'kept': not missing, 'missing': [{'hash': h, 'url': f'/v1/content/{h}?sig=1'} for h in missing]}

    def get_me(self, _, query, scope):
        return {'kind': 'user' if scope == 'driver' else 'job', 'name': 'someone'}


#: What an environment has (`src/contract/environments.ts`).
SETTINGS = ('requirements', 'conda', 'initEnv', 'cleanEnv', 'postScript', 'image')


class Drop(Exception):
    """Raised by a hook: the connection ends without an answer."""


def only(body, *allowed):
    unknown = set(body) - set(allowed)
    if unknown:
        raise Problem(
            400,
            'invalid_input',
            f'unknown fields {unknown}',
            errors=[{'field': f, 'problem': 'unknown'} for f in unknown],
        )


class _HttpServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, *args):
        self.open = set()
        super().__init__(*args)

    def get_request(self):
        sock, address = super().get_request()
        self.open.add(sock)
        return sock, address

    def drop_connections(self):
        """As when the process dies."""
        for sock in list(self.open):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        self.open.clear()

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    disable_nagle_algorithm = True
    fake = None

    def log_message(self, *args):
        pass

    def do_GET(self):
        self.answer('GET')

    def do_POST(self):
        self.answer('POST')

    def do_PUT(self):
        self.answer('PUT')

    def answer(self, method):
        fake = self.fake
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get('Content-Length') or 0))
        query = {k: v[0] for k, v in parse_qs(parts.query).items()}
        try:
            with fake.lock:
                fake.requests.append((method, self.path, body, dict(self.headers)))
                fake.changed.notify_all()
            self.hook('before', method)
            if parts.path.endswith('/stream'):
                return self.stream(parts.path.split('/')[3], query)
            with fake.lock:
                reply = fake.route(method, parts.path, query, body, self.headers)
            self.hook('after', method)
            self.reply(204 if reply is None else 200, reply)
        except Problem as problem:
            self.reply(problem.status, problem.body, 'application/problem+json')
        except Drop:
            self.close_connection = True

    def hook(self, moment, method):
        for hook in list(self.fake.hooks):
            hook(moment, method, self.path)

    def reply(self, status, reply, kind='application/json'):
        content = reply if isinstance(reply, bytes) else b'' if reply is None else json.dumps(reply).encode()
        self.send_response(status)
        self.send_header('Content-Type', kind)
        self.send_header('Content-Length', str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def stream(self, workflow_id, query):
        fake, mine = self.fake, queue.Queue()
        with fake.lock:
            fake.streams.append(mine)
            fake.changed.notify_all()
            after = int(self.headers.get('Last-Event-ID') or len(fake.told))
        try:
            self.send_response(200)
            self.send_header('Content-Type', 'text/event-stream')
            self.send_header('Transfer-Encoding', 'chunked')
            self.end_headers()
            self.chunk(': open\n\n')
            while True:
                with fake.lock:
                    fresh, after = fake.told[after:], len(fake.told)
                for told in fresh:
                    task = fake.tasks[told['taskId']]
                    if task['workflowId'] == workflow_id and task['scope'] == query['scope']:
                        cursor = f'id: {fake.told.index(told) + 1}\n' if fake.with_ids else ''
                        self.hook('tell', 'GET')
                        self.chunk(f'event: outcomes\n{cursor}data: {json.dumps([told])}\n\n')
                if mine.get() is None:
                    raise Drop
        finally:
            with fake.lock:
                fake.streams.remove(mine)

    def chunk(self, text):
        content = text.encode()
        self.wfile.write(b'%x\r\n%s\r\n' % (len(content), content))


def break_streams(server):
    """Every open stream ends, as when a proxy cuts it."""
    with server.lock:
        for stream in server.streams:
            stream.put(None)


class RunnerProcess:
    """A real runner, spoken to as a pilot does."""

    def __init__(self, bundle_folder, server_url='http://127.0.0.1:9', python=sys.executable):
        self.socket, child = socket.socketpair()
        outs = [os.pipe(), os.pipe()]
        env = {**os.environ, 'PYTHONPATH': PYTHON_FOLDER}
        for name in ('CULM_SERVER', 'CULM_TOKEN', 'PYTHONUNBUFFERED'):  # as under a pilot
            env.pop(name, None)
        actions = [
            (os.POSIX_SPAWN_DUP2, child.fileno(), 3),
            (os.POSIX_SPAWN_DUP2, outs[0][1], 1),
            (os.POSIX_SPAWN_DUP2, outs[1][1], 2),
        ]
        self.pid = os.posix_spawn(python, [python, '-m', 'culm._runner'], env, file_actions=actions)
        child.close()
        for _, write_end in outs:
            os.close(write_end)
        self.printed = {'stdout': b'', 'stderr': b''}
        self.printed_more = threading.Condition()
        for name, (read_end, _) in zip(self.printed, outs):
            threading.Thread(target=self._drain, args=(name, read_end), daemon=True).start()
        self.reader = self.socket.makefile('r', encoding='utf-8')
        self.socket.settimeout(DEADLINE_SECONDS)
        self.say({'t': 'hello', 'bundleFolder': bundle_folder, 'serverUrl': server_url})
        assert self.hear() == {'t': 'ready'}, self.printed

    def say(self, word):
        self.socket.sendall(json.dumps(word).encode() + b'\n')

    def hear(self):
        line = self.reader.readline()
        return json.loads(line) if line else None

    def text(self, stream, job_id, attempt=1):
        """What a job printed: everything before its mark, which is awaited."""
        mark = f'\0culm:end:{job_id}:{attempt}\0\n'.encode()
        with self.printed_more:
            assert self.printed_more.wait_for(lambda: mark in self.printed[stream], DEADLINE_SECONDS), self.printed
            before, _, after = self.printed[stream].partition(mark)
            self.printed[stream] = after
        return before.decode()

    def close(self):
        """Closes the channel; the process ends by itself. Its exit code."""
        self.reader.close()
        self.socket.close()
        return self.wait()

    def wait(self):
        def ended():
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            return (os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status),) if pid else None

        return eventually(ended, 'the end of the runner')[0]

    def _drain(self, name, fd):
        with open(fd, 'rb', buffering=0) as pipe:
            for part in iter(lambda: pipe.read(65536), b''):
                with self.printed_more:
                    self.printed[name] += part
                    self.printed_more.notify_all()


class FakePilot:
    """Runs the jobs of a fake server in real runners, in so many slots. A job that awaits frees its slot."""

    def __init__(self, server, slots):
        self.server = server
        self.slots = threading.Semaphore(slots)
        self.closed = False
        self.moves = []
        self.idle = {}
        self.runners = []
        self.folder = tempfile.mkdtemp(prefix='culm-pilot-')
        self.lock = threading.Lock()
        threading.Thread(target=self._claim, daemon=True).start()

    def close(self):
        self.closed = True
        self.server.ready.put(None)
        for runner in self.runners:
            runner.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _claim(self):
        while True:
            job = self.server.ready.get()
            if job is None:
                return
            self.slots.acquire()
            threading.Thread(target=self._run, args=(job,), daemon=True).start()

    def _run(self, job):
        task = self.server.tasks[job['taskId']]
        bundle = task['payload']['bundle']
        runner = self._runner(bundle)
        work_folder = os.path.join(self.folder, job['id'])
        os.makedirs(work_folder)
        place = {
            'jobId': job['id'],
            'taskId': job['taskId'],
            'workflowId': task['workflowId'],
            'index': job['index'],
            'attempt': 1,
        }
        payload = {'bundle': bundle, 'module': task['payload']['module'], 'export': task['payload']['export']}
        values = {
            'common': task.get('common'),
            'args': job['args'],
            'token': f'job-{job["id"]}-1',
            'folder': work_folder,
        }
        runner.say({'t': 'run', **place, **payload, **values})
        while True:
            try:
                word = runner.hear()
            except (OSError, ValueError):
                if self.closed:
                    return
                raise
            if word is None:
                return
            self.moves.append((word['t'], job['id']))
            if word['t'] == 'awaiting':
                self.slots.release()
            elif word['t'] == 'woken':
                self.slots.acquire()
                runner.say({'t': 'resumed', 'jobId': job['id']})
            elif word['t'] == 'done':
                break
        with self.lock:
            self.idle.setdefault(bundle, []).append(runner)
        self.slots.release()
        if word['ok']:
            self.server.end(job['id'], {'state': 'finished', 'value': word['value']})
        else:
            self.server.end(job['id'], {'state': 'failed', 'cause': word['cause'], 'error': word['error']})

    def _runner(self, bundle):
        with self.lock:
            if self.idle.get(bundle):
                return self.idle[bundle].pop()
            folder = os.path.join(self.folder, bundle)
            for entry in self.server.bundles[bundle]['files']:
                place = os.path.join(folder, entry['path'])
                os.makedirs(os.path.dirname(place), exist_ok=True)
                with open(place, 'wb') as file:
                    file.write(self.server.blobs[entry['hash']])
            os.makedirs(folder, exist_ok=True)
        runner = RunnerProcess(folder, self.server.url)
        with self.lock:
            self.runners.append(runner)
        return runner
