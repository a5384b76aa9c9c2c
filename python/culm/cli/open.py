"""`culm open [ID]`"""

from __future__ import annotations

import html
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from typing import Optional
from urllib.parse import urlencode, urljoin

from .._discover import Server
from .cli import Cli
from .ids import subject_of
from .verb import Argument, Given, Option, Verb

#: How long a browser that is already open may take to read a file, s.
_READING_SECONDS = 3.0


def _act(cli: Cli, given: Given) -> int:
    address = _page_address(cli.server(), subject_of(given.id).id if given.id else None)
    if cli.json:
        cli.print_json({'url': address})
        return 0
    cli.print(address)
    opener = None if given.print else _opener_of(cli)
    if opener:
        _open_in(opener, address)
    return 0


def _page_address(server: Server, id: Optional[str]) -> str:
    """The token is in the fragment, which browsers send to nobody."""
    named = {'token': server.token, 'id': id}
    fragment = urlencode({name: value for name, value in named.items() if value})
    return urljoin(server.url, f'/#{fragment}' if fragment else '/')


def _opener_of(cli: Cli) -> Optional[str]:
    """What opens an address where a person sits: nothing in a script, and nothing on a machine without a display."""
    if not cli.stdout.is_tty:
        return None
    if sys.platform == 'darwin':
        return 'open'
    has_display = cli.env.get('DISPLAY') or cli.env.get('WAYLAND_DISPLAY')
    return shutil.which('xdg-open') if has_display else None


def _open_in(opener: str, address: str) -> None:
    """By way of a file that its user alone can read: everybody on a machine sees the arguments of a process, and the
    token is in the address."""
    with tempfile.TemporaryDirectory(prefix='culm-open-') as folder:
        path = os.path.join(folder, 'culm.html')
        with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), 'w', encoding='utf-8') as file:
            file.write(f'<!doctype html><meta http-equiv="refresh" content="0; url={html.escape(address)}">')
        null = subprocess.DEVNULL
        subprocess.Popen([opener, path], stdin=null, stdout=null, stderr=null, start_new_session=True)
        threading.Event().wait(_READING_SECONDS)


VERB = Verb(
    'open',
    'open the page of the server in a browser',
    _act,
    arguments=[Argument('[id]', 'w12, t34 or j56: what to show there')],
    options=[Option('-p, --print', 'print its address only')],
)
