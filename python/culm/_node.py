"""Culm's program for Node (the server, and the command line for TypeScript): where it is, and how one comes by it."""

from __future__ import annotations

import importlib.util
import json
import os
import shlex
import shutil
import sys
from typing import List, Optional

#: Brings the program and a Node for it.
_INSTALL = "pip install 'culm[server]'"

#: A checkout, or the package of npm, has this package in its folder `python`.
_AROUND = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def node_program() -> Optional[List[str]]:
    """The beginning of its command lines, or None: of the checkout or npm package that this is a part of, of the wheel
    `culm-server`, or of an npm package whose `culm` is on the path."""
    return _program_around() or _program_of_wheel() or _program_on_path()


def start_command() -> str:
    """The one command that starts a server here."""
    if _is_checkout():
        return f'{_npm()} start'
    if node_program() is None:
        return f'{_INSTALL} && culm up'
    if shutil.which('culm'):
        return 'culm up'
    return 'npx culm up' if _program_around() else f'{sys.executable} -m culm up'


def install_command() -> str:
    """The one command after which there is a `node_program`."""
    return f'{_npm()} run prepare:all' if _is_checkout() else _INSTALL


def _is_checkout() -> bool:
    """With what it takes to make use of it."""
    starter = os.path.join(_AROUND, 'scripts', 'start.mjs')
    return _is_ours(_AROUND) and os.path.isfile(starter) and shutil.which('npm') is not None


def _npm() -> str:
    """npm, for the checkout."""
    is_here = os.path.realpath(os.getcwd()) == os.path.realpath(_AROUND)
    return 'npm' if is_here else f'npm --prefix {shlex.quote(_AROUND)}'


def _program_around() -> Optional[List[str]]:
    return _with_node(os.path.join(_AROUND, 'dist', 'culm.js')) if _is_ours(_AROUND) else None


def _program_of_wheel() -> Optional[List[str]]:
    if importlib.util.find_spec('culm_server') is None:
        return None
    from culm_server import command  # type: ignore[import-not-found, unused-ignore]

    return list(command())


def _program_on_path() -> Optional[List[str]]:
    """npm's `culm` is a link to its script; ours is a script of pip."""
    for folder in os.get_exec_path():
        script = os.path.realpath(os.path.join(folder, 'culm'))
        if script.endswith(os.path.join('dist', 'culm.js')):
            return _with_node(script)
    return None


def _with_node(script: str) -> Optional[List[str]]:
    node = shutil.which('node')
    return [node, script] if node and os.path.isfile(script) else None


def _is_ours(folder: str) -> bool:
    try:
        with open(os.path.join(folder, 'package.json'), encoding='utf-8') as file:
            return bool(json.load(file).get('name') == 'culm')
    except (OSError, ValueError, AttributeError):
        return False
