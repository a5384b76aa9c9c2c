"""`culm whoami`"""

from __future__ import annotations

from typing import Any, List, Mapping

from .cli import Cli
from .verb import Given, Verb


def _act(cli: Cli, _given: Given) -> int:
    client = cli.client()
    me = client.get('/v1/me')
    if cli.json:
        cli.print_json({**me, 'url': client.url})
    else:
        cli.print(*identity_lines(me, client.url))
    return 0


def identity_lines(me: Mapping[str, Any], url: str) -> List[str]:
    """Who someone is, and where."""
    groups = f', in {", ".join(me["groups"])}' if me['groups'] else ''
    roles = f' ({", ".join(me["roles"])})' if me['roles'] else ''
    return [f'{me["name"]}{roles} of {me["experiment"]}{groups}', f'{url}, Culm {me["serverVersion"]}']


VERB = Verb('whoami', 'who you are to the server', _act)
