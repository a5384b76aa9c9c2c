"""`culm login [URL]`"""

from __future__ import annotations

from typing import Optional

from .._discover import Server, keep_login, known_login, running_here
from .cli import Cli
from .errors import UsageError
from .hidden import read_hidden
from .verb import Argument, Given, Verb
from .whoami import identity_lines


def _act(cli: Cli, given: Given) -> int:
    """Nothing is kept of a server that does not answer, or does not know the token."""
    url = given.url or _earlier_url(cli)
    token = cli.named[1] or _typed_token(url)
    client = cli.client_of(Server(url, token))
    me = client.get('/v1/me')
    path = keep_login(client.url, token, cli.env)
    if cli.json:
        cli.print_json({**me, 'url': client.url})
        return 0
    cli.print(*identity_lines(me, client.url))
    cli.note(f'kept in {path}, for you alone')
    _note_what_goes_before(cli, client.url)
    return 0


def _earlier_url(cli: Cli) -> str:
    known = known_login(cli.env)
    if known is None:
        raise UsageError("missing required argument 'url'", 'culm login https://culm.example.org')
    return known.url


def _typed_token(url: str) -> str:
    token = read_hidden(f'token for {url}: ').decode('utf-8', 'replace').strip()
    if not token:
        raise UsageError('nothing came', f'culm login {url} < FILE, with the token in the file; or type it in')
    return token


def _note_what_goes_before(cli: Cli, url: str) -> None:
    named: Optional[str] = cli.env.get('CULM_SERVER')
    here = running_here(cli.env)
    if named:
        cli.note(f'CULM_SERVER is {named}, which goes before')
    elif here and here != url:
        cli.note(f'while {here} runs on this machine, it goes before; CULM_SERVER={url} names this one')


VERB = Verb(
    'login',
    'make a server the one that your programs speak to',
    _act,
    arguments=[Argument('[url]', 'its address; that of the last login when left out')],
    more="""
  culm login https://culm.example.org             asks for the token, which is not shown
  culm login https://culm.example.org < token     reads it from a file

The server has to know the token, or nothing is kept. CULM_SERVER, and a server that runs on this machine, go before it.
""",
)
