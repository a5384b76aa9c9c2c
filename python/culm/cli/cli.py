"""What the commands of one invocation share: the options, the ways to speak, and the server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Mapping, Optional, Sequence, Tuple
from urllib.parse import urlsplit

from .._discover import Server, find_server
from .look.style import Style, style_of
from .output import Output

if TYPE_CHECKING:
    from .._client import Client
    from .verb import Given

#: How long a command goes on trying while the server is away, s: a person waits.
_RETRY_SECONDS = 3.0


class Cli:
    def __init__(self, words: Sequence[str], env: Mapping[str, str], stdout: Output, stderr: Output) -> None:
        #: The command line as it was typed.
        self.words = words
        self.env = env
        self.stdout = stdout
        self.stderr = stderr
        self.json = self.quiet = self.no_color = False
        self._server: Optional[str] = None
        self._token: Optional[str] = None
        self._client: Optional[Client] = None

    def take_options(self, given: Given) -> None:
        """Those that every verb takes."""
        self.json, self.quiet, self.no_color = given.json, given.quiet, given.no_color
        self._server, self._token = given.server, given.token

    @property
    def tells(self) -> bool:
        """People get told on standard error what goes on."""
        return not self.json and not self.quiet

    def style(self, output: Optional[Output] = None) -> Style:
        """How to write for the readers of standard output, or of another one."""
        return style_of(output or self.stdout, self.env, plain=self.json or self.no_color)

    def print(self, *lines: str) -> None:
        if lines:
            self.stdout.write('\n'.join([*lines, '']))

    def print_json(self, document: Any) -> None:
        """One JSON document on a line of its own."""
        self.stdout.write(f'{self.json_text(document)}\n')

    @staticmethod
    def json_text(document: Any) -> str:
        return json.dumps(document, ensure_ascii=False, separators=(',', ':'))

    def note(self, line: str) -> None:
        """A remark for people, beside the output."""
        if self.tells:
            self.stderr.write(f'{self.style(self.stderr).paint("dim", line)}\n')

    def server(self) -> Server:
        """The server that is meant: `--server`, else as every program finds it. The token of the environment goes with
        a server that was named here only when the environment names no other server."""
        env = dict(self.env)
        if self._server:
            if env.get('CULM_SERVER') and urlsplit(env['CULM_SERVER'])[:2] != urlsplit(self._server)[:2]:
                env.pop('CULM_TOKEN', None)
            env['CULM_SERVER'] = self._server
        if self._token:
            env['CULM_TOKEN'] = self._token
        return find_server(env)

    @property
    def named(self) -> Tuple[Optional[str], Optional[str]]:
        """What `--server` and `--token` say."""
        return self._server, self._token

    def client(self) -> Client:
        if self._client is None:
            self._client = self.client_of(self.server())
        return self._client

    @staticmethod
    def client_of(server: Server) -> Client:
        """HTTP is most of the time that a command takes to start, and help needs none of it."""
        from .._client import Client

        return Client(server.url, server.token, retry_seconds=_RETRY_SECONDS)

    def close(self) -> None:
        if self._client:
            self._client.close()
