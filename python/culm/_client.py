"""Calls the HTTP API: kept connections, repeats while the server is away, problems as exceptions."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import socket
import ssl
import time
import weakref
from types import TracebackType
from typing import Any, BinaryIO, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Type, Union
from urllib.parse import quote, urlencode, urljoin, urlsplit

from ._discover import discover
from ._errors import CulmError, culm_error
from ._trace import current_trace

#: How long to wait for a connection, s.
_CONNECT_SECONDS = 10.0
#: How long an answer may take, s.
_ANSWER_SECONDS = 90.0
#: How long a stream may be silent, s: the server sends a ping every 15 s.
_SILENT_SECONDS = 45.0

_PASSING_CODES = frozenset({'server_away', 'database_away', 'overloaded', 'storage_full', 'key_in_flight'})

Query = Optional[Mapping[str, Union[str, int, Sequence[str]]]]


class Notice(NamedTuple):
    """One server-sent event."""

    kind: str
    id: Optional[str]
    data: Any


class Client:
    """A connection to a Culm server. Threads may share it.

    Speaks HTTP only to this machine and HTTPS elsewhere, with certificates verified. What is safe to repeat (reads,
    writes with a key, what the caller marks) is repeated while the server is away or its disk is full, until
    `retry_seconds` are over.
    Without arguments it finds the server by CULM_SERVER and CULM_TOKEN, else what `culm up` or `culm login` has left in
    CULM_HOME.
    """

    def __init__(
        self, server: Optional[str] = None, token: Optional[str] = None, *, retry_seconds: float = 60.0
    ) -> None:
        if server is None:
            server, found = discover()
            token = token or found
        self.url = _checked(server)
        self.retry_seconds = retry_seconds
        self._token = token
        self._idle: Dict[str, List[http.client.HTTPConnection]] = {}
        self._tls: Optional[ssl.SSLContext] = None
        _clients.add(self)

    def with_token(self, token: str) -> Client:
        """The same connections, under another token."""
        other = Client(self.url, token, retry_seconds=self.retry_seconds)
        other._idle = self._idle
        return other

    def get(self, path: str, query: Query = None, *, retry_seconds: Optional[float] = None) -> Any:
        """GET of a JSON document, such as `get('/v1/jobs/j5')`."""
        return self._json('GET', _with_query(path, query), None, {}, True, retry_seconds)

    def post(
        self,
        path: str,
        body: Optional[Mapping[str, Any]] = None,
        *,
        key: Optional[str] = None,
        repeat: bool = False,
        retry_seconds: Optional[float] = None,
    ) -> Any:
        """POST of a JSON document. `key` (an idempotency key) or `repeat` (the route itself is safe) allow repeats."""
        text = json.dumps(body or {}, ensure_ascii=False, separators=(',', ':')).encode('utf-8')
        trace = current_trace()
        headers = {
            'Content-Type': 'application/json',
            **({'Idempotency-Key': key} if key else {}),
            **({'traceparent': trace} if trace else {}),
        }
        return self._json('POST', path, text, headers, repeat or key is not None, retry_seconds)

    def delete(self, path: str) -> Any:
        """DELETE of what lies at a path."""
        return self._json('DELETE', path, None, {}, False, None)

    def get_bytes(self, address: str) -> bytes:
        """What lies at a signed address."""
        return self._send('GET', address, None, {}, True, None, signed=True)

    def put_bytes(self, address: str, content: bytes) -> None:
        """Stores bytes at a signed address."""
        self._send('PUT', address, content, {'Content-Type': 'application/octet-stream'}, True, None, signed=True)

    def put_file(self, address: str, path: str, size: int) -> None:
        """Stores the first `size` bytes of a file at a signed address; they are read as they are sent."""
        headers = {'Content-Type': 'application/octet-stream', 'Content-Length': str(size)}
        with open(path, 'rb') as file:
            self._send('PUT', address, _Begin(file, size), headers, True, None, signed=True)

    def stream(self, path: str, query: Query = None, last_id: Optional[str] = None) -> Stream:
        """Opens a stream of server-sent events; returns when the server has answered. Not repeated: see `Stream`."""
        headers = {'Accept': 'text/event-stream', **({'Last-Event-ID': last_id} if last_id else {})}
        connection = self._connect(self.url, _SILENT_SECONDS)
        sock = connection.sock
        try:
            connection.request('GET', _with_query(path, query), headers=self._authorised(headers))
            response = connection.getresponse()
            if response.status >= 400:
                raise _problem(response.status, response.read(), response.getheader('Retry-After'))
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise self._away(error) from error
        except BaseException:
            connection.close()
            raise
        return Stream(connection, response, sock)

    def close(self) -> None:
        """Closes the idle connections."""
        for connections in list(self._idle.values()):
            with contextlib.suppress(IndexError):  # Another thread may take from it.
                while True:
                    connections.pop().close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], tb: Optional[TracebackType]
    ) -> None:
        self.close()

    def _json(
        self,
        method: str,
        path: str,
        body: Optional[bytes],
        headers: Dict[str, str],
        repeat: bool,
        retry: Optional[float],
    ) -> Any:
        text = self._send(method, path, body, headers, repeat, retry)
        return json.loads(text) if text else None

    def _send(
        self,
        method: str,
        address: str,
        body: Union[bytes, _Begin, None],
        headers: Dict[str, str],
        repeat: bool,
        retry_seconds: Optional[float],
        signed: bool = False,
    ) -> bytes:
        """Sends until there is an answer, or the time is over. A signed address needs no token, and gets none."""
        origin, target = self._place(address)
        if not signed:
            headers = self._authorised(headers)
        until = time.monotonic() + (self.retry_seconds if retry_seconds is None else retry_seconds)
        tries = 0
        while True:
            try:
                return self._exchange(origin, method, target, body, headers)
            except CulmError as error:
                tries += 1
                pause = max(backoff_seconds(tries), float(error.data.get('retryAfter', 0)))
                if not is_passing(error) or not repeat or time.monotonic() + pause > until:
                    raise
                time.sleep(pause)

    def _exchange(
        self, origin: str, method: str, target: str, body: Union[bytes, _Begin, None], headers: Dict[str, str]
    ) -> bytes:
        connection = self._take(origin)
        try:
            if isinstance(body, _Begin):
                body.rewind()
            connection.request(method, target, body, headers)
            response = connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            self.close()  # Its neighbours are likely to be as stale.
            raise self._away(error) from error
        except BaseException:
            connection.close()
            raise
        if response.will_close:
            connection.close()
        else:
            self._idle.setdefault(origin, []).append(connection)
        if response.status >= 400:
            raise _problem(response.status, content, response.getheader('Retry-After'))
        return content

    def _take(self, origin: str) -> http.client.HTTPConnection:
        """An idle connection that the other side has not closed meanwhile, else a new one."""
        idle = self._idle.get(origin, [])
        with contextlib.suppress(IndexError):
            while True:
                connection = idle.pop()
                if not _is_stale(connection):
                    return connection
                connection.close()
        return self._connect(origin, _ANSWER_SECONDS)

    def _connect(self, origin: str, answer_seconds: float) -> http.client.HTTPConnection:
        parts = urlsplit(origin)
        if parts.scheme == 'https':
            self._tls = self._tls or ssl.create_default_context()
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                parts.hostname or '', parts.port, timeout=_CONNECT_SECONDS, context=self._tls
            )
        else:
            connection = http.client.HTTPConnection(parts.hostname or '', parts.port, timeout=_CONNECT_SECONDS)
        try:
            connection.connect()
        except ssl.SSLCertVerificationError:
            raise
        except OSError as error:
            raise self._away(error) from error
        connection.sock.settimeout(answer_seconds)
        return connection

    def _place(self, address: str) -> Tuple[str, str]:
        if address.startswith('/'):
            return self.url, address
        parts = urlsplit(urljoin(self.url, address))
        target = f'{parts.path}?{parts.query}' if parts.query else parts.path
        return _checked(f'{parts.scheme}://{parts.netloc}'), target

    def _authorised(self, headers: Dict[str, str]) -> Dict[str, str]:
        return {**headers, 'Authorization': f'Bearer {self._token}'} if self._token else headers

    def _away(self, error: BaseException) -> CulmError:
        return CulmError('server_away', f'{self.url} does not answer ({error or type(error).__name__})')


class Stream:
    """An open stream of server-sent events. Ends (or raises OSError) when the connection does; whoever wants more opens
    another after the id of the last."""

    def __init__(
        self, connection: http.client.HTTPConnection, response: http.client.HTTPResponse, sock: socket.socket
    ) -> None:
        self._connection = connection
        self._response = response
        self._socket = sock

    def __iter__(self) -> Iterator[Notice]:
        rest = b''
        try:
            while True:
                part = self._response.read1(1 << 16)
                if not part:
                    return
                *blocks, rest = (rest + part).split(b'\n\n')
                for block in blocks:
                    notice = _parse_block(block.decode('utf-8'))
                    if notice:
                        yield notice
        except http.client.HTTPException as error:
            raise ConnectionResetError(str(error)) from error
        finally:
            self._connection.close()

    def close(self) -> None:
        """Ends it; a thread that reads it wakes, and closes the connection."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)


class _Begin:
    """The first bytes of a file, as they are sent: a log may have grown since it was hashed."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._size = self._left = size

    def rewind(self) -> None:
        """To be sent once more."""
        self._file.seek(0)
        self._left = self._size

    def read(self, length: int = 1 << 20) -> bytes:
        chunk = self._file.read(min(length, self._left))
        if not chunk and self._left > 0:
            raise CulmError('blob_mismatch', f'{self._file.name} has become shorter while it was sent')
        self._left -= len(chunk)
        return chunk


def is_passing(error: CulmError) -> bool:
    """The server or its database is away, too busy, or has no room: worth another try."""
    return error.code in _PASSING_CODES


def backoff_seconds(n: int) -> float:
    """How long to wait before try n + 1, s: doubling from 50 ms up to 2 s.

    With jitter on its upper half, so that many who failed together do not come back together.
    """
    ceiling = min(2.0, 0.05 * 2.0 ** min(n - 1, 10))
    return ceiling / 2 + random.random() * ceiling / 2


def path_of(*parts: str) -> str:
    """`path_of('tasks', 't5')` is `/v1/tasks/t5`."""
    return '/'.join(['/v1', *(quote(part, safe='') for part in parts)])


def _checked(url: str) -> str:
    """Plain HTTP only on this machine: a token must not cross a network in clear."""
    parts = urlsplit(url)
    local = parts.hostname in ('127.0.0.1', 'localhost', '::1')
    if parts.scheme != 'https' and not (parts.scheme == 'http' and local):
        raise CulmError('plain_http', f'{url} is neither HTTPS nor on this machine')
    return f'{parts.scheme}://{parts.netloc}'


def _with_query(path: str, query: Query) -> str:
    return f'{path}?{urlencode(query, doseq=True)}' if query else path


def _is_stale(connection: http.client.HTTPConnection) -> bool:
    """An idle connection has nothing to say: if it can be read, the other side has closed it."""
    sock = connection.sock
    if sock is None:
        return True
    timeout = sock.gettimeout()
    try:
        sock.settimeout(0)
        raw = sock.recv(1) if isinstance(sock, ssl.SSLSocket) else sock.recv(1, socket.MSG_PEEK)
        return raw is not None
    except (BlockingIOError, ssl.SSLWantReadError):
        return False
    except OSError:
        return True
    finally:
        sock.settimeout(timeout)


def _problem(status: int, content: bytes, retry_after: Optional[str]) -> CulmError:
    """The fault that a problem document stands for; without one, some proxy spoke."""
    try:
        problem = json.loads(content)
    except ValueError:
        problem = None
    if not isinstance(problem, dict) or 'code' not in problem:
        if status >= 502:
            return CulmError('server_away', f"the server's proxy answered {status}")
        return CulmError('internal', f'the server answered {status}: {content[:200].decode("utf-8", "replace")}')
    data = {k: v for k, v in problem.items() if k not in ('type', 'title', 'status', 'code', 'detail', 'help')}
    if retry_after and retry_after.isdigit():
        data['retryAfter'] = int(retry_after)
    detail = problem.get('detail') or problem.get('title') or ''
    error = culm_error(problem['code'], detail, problem.get('help') or '', data)
    error.problem = problem
    return error


def _parse_block(block: str) -> Optional[Notice]:
    """Fields by line, as the HTML standard frames them."""
    kind, notice_id, data = 'message', None, ''
    for line in block.split('\n'):
        if line.startswith('data: '):
            data += line[6:]
        elif line.startswith('event: '):
            kind = line[7:]
        elif line.startswith('id: '):
            notice_id = line[4:]
    return Notice(kind, notice_id, json.loads(data)) if data else None


#: All clients, so that a forked child does not speak on the connections of its parent.
_clients: weakref.WeakSet[Client] = weakref.WeakSet()


def _forget_connections() -> None:
    for client in list(_clients):
        client._idle = {}


if hasattr(os, 'register_at_fork'):
    os.register_at_fork(after_in_child=_forget_connections)
