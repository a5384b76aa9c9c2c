"""`culm secret set NAME`, `culm secret ls`, `culm secret rm NAME…`"""

from __future__ import annotations

import base64

from .._client import path_of
from .cli import Cli
from .errors import UsageError
from .hidden import read_hidden
from .look.table import Column, table
from .look.times import ago
from .node import ROTATE_SECRETS
from .verb import Argument, Given, Verb

#: Shorter ones are not taken out of logs, since that would take out half of the log.
_LEAST_HIDDEN = 4


def _set(cli: Cli, given: Given) -> int:
    value = read_hidden(f'{given.name}: ')
    if not value:
        raise UsageError('nothing came', f'printf %s … | culm secret set {given.name}')
    if len(value) < _LEAST_HIDDEN:
        cli.note(f'shorter than {_LEAST_HIDDEN} characters: it will not be taken out of logs and results')
    body = {'name': given.name, 'value': base64.b64encode(value).decode()}
    secret = cli.client().post('/v1/secrets', body, repeat=True)
    if cli.json:
        cli.print_json(secret)
    else:
        cli.print(f'{given.name} is kept ({len(value)} bytes)')
    return 0


def _ls(cli: Cli, _given: Given) -> int:
    items = cli.client().get('/v1/secrets')['items']
    if cli.json:
        cli.print_json(items)
        return 0
    style = cli.style()
    rows = [[secret['name'], ago(secret['setAt'], style.now)] for secret in items]
    cli.print(*table([Column('name', flexible=True), Column('set', right=True)], rows, style))
    return 0


def _rm(cli: Cli, given: Given) -> int:
    client = cli.client()
    for name in given.name:
        client.delete(path_of('secrets', name))
    if cli.json:
        cli.print_json(given.name)
    else:
        cli.print(f'removed: {", ".join(given.name)}')
    return 0


VERB = Verb(
    'secret',
    'secrets for your jobs: passwords, tokens, keys',
    below=(
        Verb(
            'set',
            'keep a secret, or replace it: read from standard input, or typed in',
            _set,
            arguments=[Argument('<name>', 'letters, digits, dots, dashes, underscores')],
        ),
        Verb('ls', 'names of your secrets', _ls),
        Verb(
            'rm',
            'remove secrets; jobs that name them fail when they start',
            _rm,
            arguments=[Argument('<name...>')],
        ),
        ROTATE_SECRETS,
    ),
    more="""
  culm secret set grid-proxy < proxy.pem        from a file, or typed in without being shown
  culm submit --secret db-password=DB_PASSWORD -- python3 fit.py
  culm submit --secret-file grid-proxy=proxy.pem:X509_USER_PROXY -- python3 fetch.py

A secret is never taken from the command line, which others on the machine can read, and its value cannot be read back.
""",
)
