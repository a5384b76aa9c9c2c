"""Where the server is, and who we are to it: the environment, else what lies in CULM_HOME."""

from __future__ import annotations

import json
import os
from typing import Any, Dict, Mapping, NamedTuple, Optional, Tuple
from urllib.parse import urlsplit

from ._errors import CulmError


class Server(NamedTuple):
    """An address, and the token that is for it, if one is known."""

    url: str
    token: Optional[str]


def discover(env: Mapping[str, str] = os.environ) -> Tuple[str, str]:
    """Address and token of the server that `find_server` finds. Raises CulmError `unauthenticated` without a token."""
    url, token = find_server(env)
    if token is None and env.get('CULM_SERVER'):
        raise CulmError('unauthenticated', f'CULM_SERVER is {url}, and CULM_TOKEN is not set')
    if token is None:
        raise CulmError('unauthenticated', f'the token of {url} cannot be read from {_token_file(home_folder(env))}')
    return url, token


def find_server(env: Mapping[str, str] = os.environ) -> Server:
    """The server that this user's programs speak to: CULM_SERVER with CULM_TOKEN, else the one that runs in CULM_HOME
    (~/.culm), else the one of `culm login`. A token that lies in the home goes to no other server than its own.

    Raises CulmError `server_unknown` with the command that starts one.
    """
    home = home_folder(env)
    record, login = _read_record(home), _read_login(home)
    if env.get('CULM_SERVER'):
        url = env['CULM_SERVER']
    elif record and not _has_died(record.get('pid')):
        url = record['url']
    elif login:
        url = login.url
    else:
        what = f'the server of {home} does not run any more' if record else f'there is no server in {home}'
        raise CulmError('server_unknown', what, _how_to_begin())
    return Server(url, env.get('CULM_TOKEN') or _token_for(url, home, record, login))


def home_folder(env: Mapping[str, str] = os.environ) -> str:
    """CULM_HOME, else ~/.culm. A leading `~/`, which files of variables keep as it is, means the user's home."""
    home = env.get('HOME') or os.path.expanduser('~')
    wanted = env.get('CULM_HOME') or os.path.join('~', '.culm')
    return os.path.abspath(home + wanted[1:] if wanted == '~' or wanted.startswith('~/') else wanted)


def keep_login(url: str, token: str, env: Mapping[str, str] = os.environ) -> str:
    """Makes a server the one that this user's programs speak to, instead of that of an earlier login. Only the user can
    read the file; returns its path."""
    home = home_folder(env)
    os.makedirs(home, mode=0o700, exist_ok=True)
    path = _login_file(home)
    draft = f'{path}.{os.getpid()}'
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 'w', encoding='utf-8') as file:
        json.dump({'url': url, 'token': token}, file)
    os.replace(draft, path)
    return path


def known_login(env: Mapping[str, str] = os.environ) -> Optional[Server]:
    """What the last `culm login` has kept."""
    return _read_login(home_folder(env))


def running_here(env: Mapping[str, str] = os.environ) -> Optional[str]:
    """The address of the server that runs in the home."""
    record = _read_record(home_folder(env))
    return record['url'] if record and not _has_died(record.get('pid')) else None


def _how_to_begin() -> str:
    from ._node import start_command  # A program that has a server never asks.

    return f'Start one with `{start_command()}`; `culm login URL`, or CULM_SERVER and CULM_TOKEN, name one elsewhere.'


def _token_for(url: str, home: str, record: Optional[Mapping[str, Any]], login: Optional[Server]) -> Optional[str]:
    if record and _origin(record['url']) == _origin(url):
        return _read_token(home)
    return login.token if login and _origin(login.url) == _origin(url) else None


def _origin(url: str) -> Tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.lower()


def _read_record(home: str) -> Optional[Dict[str, Any]]:
    return _read_json(os.path.join(home, 'server.json'))


def _read_login(home: str) -> Optional[Server]:
    kept = _read_json(_login_file(home))
    return Server(kept['url'], kept.get('token')) if kept else None


def _read_json(path: str) -> Optional[Dict[str, Any]]:
    """A record of a server. What is broken is as good as missing."""
    try:
        with open(path, encoding='utf-8') as file:
            record = json.load(file)
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) and isinstance(record.get('url'), str) else None


def _read_token(home: str) -> Optional[str]:
    try:
        with open(_token_file(home), encoding='utf-8') as file:
            return file.read().strip()
    except OSError:
        return None


def _login_file(home: str) -> str:
    return os.path.join(home, 'login.json')


def _token_file(home: str) -> str:
    return os.path.join(home, 'token')


def _has_died(pid: Any) -> bool:
    """Whether the process of that number is known to be gone; one of another user lives. (Windows has no signal 0.)"""
    if os.name != 'posix' or not isinstance(pid, int) or pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False
