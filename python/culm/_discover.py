"""Where the server is, and who we are to it: the environment, else the record of `culm up` in CULM_HOME."""

from __future__ import annotations

import json
import os
from typing import Any, Dict, Mapping, Optional, Tuple

from ._errors import CulmError


def discover(env: Mapping[str, str] = os.environ) -> Tuple[str, str]:
    """Address and token: CULM_SERVER and CULM_TOKEN, else `server.json` and `token` in CULM_HOME (~/.culm).

    The token of the home goes to no other server than the home's own.
    """
    wanted, token = env.get('CULM_SERVER', ''), env.get('CULM_TOKEN', '')
    if wanted and token:
        return wanted, token
    home = home_folder(env)
    record = _read_record(home)
    if wanted and (record is None or record['url'].rstrip('/') != wanted.rstrip('/')):
        raise CulmError('unauthenticated', f'CULM_SERVER is {wanted}, and CULM_TOKEN is not set')
    if record is None:
        raise CulmError(
            'server_unknown', f'no Culm server was found: CULM_SERVER is not set, and none has been started in {home}'
        )
    if _has_died(record.get('pid')):
        raise CulmError('server_unknown', f'the Culm server of {home} has ended')
    return record['url'], token or _read_token(home)


def home_folder(env: Mapping[str, str] = os.environ) -> str:
    """CULM_HOME, else ~/.culm. A leading `~/`, which files of variables keep as it is, means the user's home."""
    return os.path.abspath(os.path.expanduser(env.get('CULM_HOME') or os.path.join('~', '.culm')))


def _read_record(home: str) -> Optional[Dict[str, Any]]:
    try:
        with open(os.path.join(home, 'server.json'), encoding='utf-8') as file:
            record = json.load(file)
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) and isinstance(record.get('url'), str) else None


def _read_token(home: str) -> str:
    path = os.path.join(home, 'token')
    try:
        with open(path, encoding='utf-8') as file:
            return file.read().strip()
    except OSError as error:
        raise CulmError(
            'unauthenticated', f'the token of the server cannot be read from {path}: {error.strerror}'
        ) from None


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
