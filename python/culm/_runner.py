"""The warm process that runs jobs: `python -m culm._runner`, with the pilot's socket as file descriptor 3.

Says and hears what `src/contract/runner.ts` describes, one JSON document a line, one job at a time; further jobs may
wait in the line. Standard output and error belong to the payload; after each job a mark is written to both, so that the
pilot knows whose output it read.
"""

from __future__ import annotations

import collections
import contextlib
import gc
import importlib
import importlib.util
import json
import os
import resource
import select
import socket
import sys
import threading
import time
from types import ModuleType
from typing import Any, Callable, Deque, Dict, Mapping, NamedTuple, Optional, TextIO, Tuple, cast

from . import _inside
from ._callback import Callback
from ._coroutines import is_coroutine, run_coroutine
from ._errors import CulmError
from ._scope import MAX_INLINE_BYTES, Scope, entered
from ._shared import Shared
from ._slot import Slot
from ._source import CAPTURED_MODULE, SCRIPT_MODULE, SCRIPT_PATH
from ._values import Reading, decode, encode

Word = Dict[str, Any]

_CHANNEL_FD = 3


class Function(NamedTuple):
    """What a job calls; `pickled`: its work says that arguments and value may be pickles."""

    call: Callable[..., Any]
    pickled: bool


class Channel:
    """The line to the pilot. Any thread may say something; one at a time hears."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._lock = threading.Lock()
        self._words: Deque[Word] = collections.deque()
        self._rest = b''

    def say(self, word: Word) -> None:
        line = json.dumps(word, separators=(',', ':')).encode('ascii') + b'\n'
        with self._lock:
            self._socket.sendall(line)

    def hear(self) -> Optional[Word]:
        """The pilot's next word; None when it is gone."""
        while not self._words:
            if not self._read(0):
                return None
        return self._words.popleft()

    def heard(self) -> None:
        """Takes in what the pilot has said meanwhile, and gives back the jobs that it wants back."""
        while self._read(socket.MSG_DONTWAIT):
            pass
        wanted = {job_id for word in self._words if word['t'] == 'skip' for job_id in word['jobIds']}
        if wanted:
            self._words = collections.deque(word for word in self._words if word['t'] != 'skip')
            self.give_back(lambda word: word['jobId'] in wanted)

    def give_back(self, is_wanted: Callable[[Word], bool] = lambda word: True) -> None:
        """Jobs that wait here and will not run here."""
        skipped = [word['jobId'] for word in self._words if word['t'] == 'run' and is_wanted(word)]
        if skipped:
            self._words = collections.deque(w for w in self._words if w['t'] != 'run' or w['jobId'] not in skipped)
            self.say({'t': 'skipped', 'jobIds': skipped})

    def _read(self, flags: int) -> bool:
        try:
            chunk = self._socket.recv(1 << 20, flags)
        except (BlockingIOError, ConnectionError):
            return False
        if not chunk:
            return False
        *lines, self._rest = (self._rest + chunk).split(b'\n') if b'\n' in chunk else [self._rest + chunk]
        self._words.extend(json.loads(line) for line in lines)
        return True

    def leave_with_pilot(self) -> None:
        """Without its pilot a job would run on unseen, beside its next attempt: the process ends with it."""

        def watch() -> None:
            poll = select.poll()
            poll.register(self._socket, getattr(select, 'POLLRDHUP', 0))
            poll.poll()
            os._exit(1)

        threading.Thread(target=watch, name='culm-pilot', daemon=True).start()


class Output:
    """Standard output and error as they were at the start, whatever a payload makes of `sys.stdout`."""

    def __init__(self) -> None:
        self._streams: Tuple[TextIO, TextIO] = (sys.stdout, sys.stderr)
        for stream in self._streams:
            reconfigure = getattr(stream, 'reconfigure', None)
            if reconfigure:
                reconfigure(line_buffering=True, errors='backslashreplace')
        self._flush_c = _c_flush()

    def end(self, job_id: str, attempt: int) -> None:
        """Everything that the job printed is out, and the mark after it."""
        for changed, stream in zip((sys.stdout, sys.stderr), self._streams):
            if changed is not stream:
                _quietly(changed.flush)
        sys.stdout, sys.stderr = self._streams
        self._flush_c()
        for stream in self._streams:
            _quietly(stream.write, f'\0culm:end:{job_id}:{attempt}\0\n')
            _quietly(stream.flush)


class Memory:
    """The peak of this process since the last reset, MB. Elsewhere than on Linux it is the peak since the start.

    Linux forgets the peak when told to. `ru_maxrss` would not do: it begins with the size of the process that started
    this one (300 MB measured under a pilot of that size, for a Python of 8 MB).
    """

    def __init__(self) -> None:
        try:
            self._status = os.open('/proc/self/status', os.O_RDONLY | os.O_CLOEXEC)
            self._forget = os.open('/proc/self/clear_refs', os.O_WRONLY | os.O_CLOEXEC)
            self.reset()
        except OSError:
            self._status = self._forget = -1

    def reset(self) -> None:
        if self._forget >= 0:
            os.pwrite(self._forget, b'5', 0)

    def peak_mb(self) -> float:
        if self._status < 0:
            unit = 1e6 if sys.platform == 'darwin' else 1e3
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
        status = os.pread(self._status, 8192, 0)
        begin = status.index(b'VmHWM:') + 6
        return int(status[begin : status.index(b'kB', begin)]) * 1024 / 1e6


class Runner:
    """Runs one job after the other for the same bundle."""

    def __init__(self, channel: Channel, hello: Word) -> None:
        self._channel = channel
        self._folder = os.path.abspath(hello['bundleFolder'])
        self._server_url: str = hello['serverUrl']
        self._output = Output()
        self._memory = Memory()
        self._functions: Dict[Tuple[str, str], Function] = {}
        self._task: Word = {}
        #: Texts of stored values that the common arguments of this task name.
        self._stored: Dict[str, str] = {}
        self._shared = Shared()
        # `python -m` put the folder it was started in first; what is imported comes from the bundle instead.
        sys.path[:] = [self._folder, *(p for p in sys.path if p not in ('', os.getcwd(), self._folder))]

    def begin_task(self, word: Word) -> None:
        """The jobs that follow have this in common."""
        self._task = word
        self._stored.clear()
        self._shared = Shared()

    def run(self, word: Word) -> None:
        """Runs a job, and tells the pilot how it ended."""
        word = {**self._task, **word}
        _name_trace(word.get('trace'))
        began, cpu = time.perf_counter(), _cpu_seconds()
        self._memory.reset()
        done: Word = {'t': 'done', 'jobId': word['jobId'], 'attempt': word['attempt']}
        job = _inside.RunningJob(word, self._server_url, self._channel.say)
        _inside.enter(job)
        try:
            os.chdir(word['folder'])
            done.update(self._outcome(word, job))
        except BaseException as error:
            done.update(_failed(error, 'user', self._folder))
        _inside.enter(None)
        job.told.end()
        self._output.end(word['jobId'], word['attempt'])
        done['usage'] = {
            'wallSeconds': round(time.perf_counter() - began, 6),
            'cpuSeconds': round(_cpu_seconds() - cpu, 6),
            'maxRssMb': round(self._memory.peak_mb(), 1),
        }
        if _holds_files(word['folder']) or done.get('cause') == 'bundle':
            # Files would be found by the next job that runs there; what cannot be loaded, the next one cannot load either.
            self._channel.give_back()
        self._channel.say(done)

    def _outcome(self, word: Word, job: _inside.RunningJob) -> Word:
        slot = Slot(lambda what: self._say_slot(what, word, job.clock), lambda: self._hear_resumed(job.clock))
        scope = self._scope(word, slot)
        try:
            with entered(scope):
                return self._called(word, scope)
        finally:
            slot.take_back()  # A thread of the job may have given it back after all had waited.
            slot.end()
            scope.close(
                CulmError('workflow_ended', f'the job {word["jobId"]} has ended', 'Wait for calls before returning.')
            )

    def _called(self, word: Word, scope: Scope) -> Word:
        try:
            scope.importing = True
            fn = self._function(word['module'], word['export'])
        except BaseException as error:
            return _failed(error, 'bundle', self._folder)
        finally:
            scope.importing = False
        try:
            own, common = Reading(scope.fetch_text, fn.pickled), Reading(self._fetch_once(scope), fn.pickled)
            shared = self._taken(word['common'], common) if word['common'] else None
            args, kwargs, scope.context = _arguments(shared, decode(_read(word['args']), own))
            value = fn.call(*args, **kwargs)
            if is_coroutine(value):
                value = run_coroutine(value)
            if isinstance(value, Callback):
                ended = _later(value, word)
            else:
                ended = {'ok': True, 'value': _sent(encode(value, pickled=fn.pickled), word['folder'])}
            scope.finish()
            return ended
        except ModuleNotFoundError as error:
            return _failed(error, 'bundle', self._folder)
        except BaseException as error:
            return _failed(error, 'user', self._folder)

    def _taken(self, text: Mapping[str, str], reading: Reading) -> Mapping[str, Any]:
        return self._shared.take(lambda: decode(_read(text), reading), is_large='file' in text)

    def _scope(self, word: Word, slot: Slot) -> Scope:
        def client() -> Any:
            from ._client import Client

            return Client(self._server_url, word['token'])

        attempt = word['attempt']
        place = {'slot': slot, 'bundle': word['bundle'], 'continues': attempt > 1}
        return Scope(client, word['workflowId'], word['jobId'], attempt, **place)

    def _fetch_once(self, scope: Scope) -> Callable[[str], str]:
        """For what all jobs of a task read."""

        def fetch(digest: str) -> str:
            if digest not in self._stored:
                self._stored[digest] = scope.fetch_text(digest)
            return self._stored[digest]

        return fetch

    def _function(self, module: str, export: str) -> Function:
        if (module, export) not in self._functions:
            found = getattr(self._module(module), export, None)
            fn = getattr(found, 'fn', found)
            if not callable(fn):
                raise CulmError('work_not_exported', f'{module} has no function {export}')
            self._functions[module, export] = Function(fn, getattr(found, 'pickled', False) is True)
        return self._functions[module, export]

    def _module(self, name: str) -> ModuleType:
        path = os.path.join(self._folder, name)
        if name == CAPTURED_MODULE:
            return self._captured()
        if name.endswith('.py') and os.path.isfile(path):
            return sys.modules.get(SCRIPT_MODULE) or _import_script(path, name)
        return importlib.import_module(name)

    def _captured(self) -> ModuleType:
        """A runner has one bundle, and a bundle one document of what was captured."""
        from ._captured import load_captured

        if CAPTURED_MODULE not in sys.modules:
            sys.modules[CAPTURED_MODULE] = load_captured(self._folder)
        return sys.modules[CAPTURED_MODULE]

    def _say_slot(self, what: str, word: Word, clock: _inside.Clock) -> None:
        if what == 'awaiting':
            clock.halt()
            self._channel.heard()
            self._channel.give_back()
        self._channel.say({'t': what, 'jobId': word['jobId']})

    def _hear_resumed(self, clock: _inside.Clock) -> None:
        """What else the pilot says meanwhile was on its way when the job began to wait: it is given back."""
        while True:
            word = self._channel.hear()
            if word is None:
                os._exit(1)
            if word['t'] == 'resumed':
                clock.go()
                return
            if word['t'] == 'run':
                self._channel.say({'t': 'skipped', 'jobIds': [word['jobId']]})


def _name_trace(trace: Optional[str]) -> None:
    """For what the payload itself traces, and for the calls that it makes."""
    if trace:
        os.environ['TRACEPARENT'] = trace
    else:
        os.environ.pop('TRACEPARENT', None)


def _holds_files(folder: str) -> bool:
    try:
        with os.scandir(folder) as entries:
            return any(True for _ in entries)
    except OSError:
        return True


def _import_script(path: str, name: str) -> ModuleType:
    """Under a name that is not `__main__`. A runner has one bundle, and a bundle one script."""
    spec = importlib.util.spec_from_file_location(SCRIPT_MODULE, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    setattr(module, SCRIPT_PATH, name)
    sys.modules[SCRIPT_MODULE] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[SCRIPT_MODULE]
        raise
    return module


def _arguments(shared: Optional[Mapping[str, Any]], own: Mapping[str, Any]) -> Tuple[Any, Mapping[str, Any], Any]:
    """Those of the task come first; named ones of the job win. And the context."""
    if shared is None:
        return own.get('a', ()), own.get('k', {}), own.get('c')
    named = {**shared.get('k', {}), **own.get('k', {})}
    return [*shared.get('a', ()), *own.get('a', ())], named, shared.get('c')


def _read(text: Mapping[str, str]) -> str:
    if 'text' in text:
        return text['text']
    with open(text['file'], encoding='utf-8') as file:
        return file.read()


def _sent(text: str, folder: str) -> Dict[str, str]:
    """A large value goes into a file of the job's folder, where the pilot takes it from."""
    if len(text) <= MAX_INLINE_BYTES and (text.isascii() or len(text.encode('utf-8')) <= MAX_INLINE_BYTES):
        return {'text': text}
    path = os.path.join(folder, '.culm-value.json')
    with open(path, 'w', encoding='utf-8') as file:
        file.write(text)
    return {'file': path}


def _later(callback: Callback, word: Word) -> Word:
    """A job that returns its callback has its value posted there later."""
    if (callback.job_id, callback.attempt) != (word['jobId'], word['attempt']):
        made_by = f'it returned a callback of {callback.job_id} (attempt {callback.attempt})'
        raise CulmError('callback_misplaced', made_by)
    return {'ok': True, 'later': {'expiresAt': callback.expires}}


def _failed(error: BaseException, cause: str, folder: str) -> Word:
    from ._report import report_error

    told = report_error(error, skip_files=(__file__, importlib.__file__), folder=folder)
    if isinstance(error, ModuleNotFoundError):
        told['message'] += (
            f'. It is neither in the bundle nor installed for {sys.executable}: install it there, '
            'or name it in a lock file (`@work(requirements=…)`), or keep it beside the file of the work, so that it is '
            'shipped.'
        )
    return {'ok': False, 'cause': cause, 'error': told}


def _cpu_seconds() -> float:
    """Of this process and of children that have ended, s."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def _c_flush() -> Callable[[], Any]:
    """Flushes what C and Fortran code has printed: to a pipe, their libraries keep it until their buffers are full."""
    try:
        import ctypes

        flush = ctypes.CDLL(None).fflush
    except (ImportError, OSError, AttributeError, TypeError):
        return lambda: None
    return lambda: flush(None)


def _quietly(act: Callable[..., Any], *args: str) -> None:
    """A payload may close its streams, and a pilot its ends of them: neither is an error of the job."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        act(*args)


def main() -> None:
    os.set_inheritable(_CHANNEL_FD, False)
    channel = Channel(socket.socket(fileno=_CHANNEL_FD))
    hello = channel.hear()
    if hello is None:
        return
    runner = Runner(channel, hello)
    channel.leave_with_pilot()
    channel.say({'t': 'ready'})
    gc.freeze()
    while True:
        word = channel.hear()
        if word is None:
            return
        if word['t'] == 'task':
            runner.begin_task(word)
        elif word['t'] == 'run':
            runner.run(word)
            channel.heard()


if __name__ == '__main__':
    main()
