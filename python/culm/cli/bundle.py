"""`culm bundle FILE`"""

from __future__ import annotations

import json
import os
import re
import subprocess
from typing import Any, Dict, List, Optional

from .._errors import CulmError
from .cli import Cli
from .errors import UsageError
from .languages import NODE_SUFFIXES, interpreter, package_path
from .look.table import Column, table
from .node import hand_over
from .verb import Argument, Given, Option, Verb

#: What a bundle would hold: `bundle`, `language`, `files`, `bytes`, `ignored`, `notes`.
Shipped = Dict[str, Any]

#: So many files are shown without `--list`.
_FEW_FILES = 10


def _act(cli: Cli, given: Given) -> int:
    path = os.path.abspath(given.file)
    if not os.path.exists(path):
        raise UsageError(f'there is no file {given.file}')
    entry = _entry_of(path) if os.path.isdir(path) else path
    if entry and os.path.splitext(entry)[1] in NODE_SUFFIXES:
        return hand_over(cli.words)
    if entry and os.path.splitext(entry)[1] != '.py':
        raise UsageError(f'{given.file} is neither TypeScript, JavaScript nor Python')
    shipped = _shipped(cli, given.python or interpreter(cli.env), path)
    if cli.json:
        cli.print_json(shipped)
    else:
        cli.print(*_lines_of(cli, shipped, given.list))
    return 0


def _entry_of(folder: str) -> Optional[str]:
    """The module that a folder stands for in JavaScript; None for a package of Python."""
    package = os.path.join(folder, 'package.json')
    if os.path.exists(package):
        with open(package, encoding='utf-8') as file:
            main = json.load(file).get('main')
        if isinstance(main, str):
            return main
    return next((name for name in sorted(os.listdir(folder)) if re.fullmatch(r'index\.[cm]?[jt]sx?', name)), None)


def _shipped(cli: Cli, python: str, path: str) -> Shipped:
    """As the interpreter sees it that would run the file."""
    env = {**cli.env, **package_path(cli.env)}
    try:
        ended = subprocess.run([python, '-m', 'culm._shipped', path], env=env, capture_output=True)
    except OSError as error:
        what = f'{python} cannot be started: {error.strerror}'
        raise UsageError(what, 'name the interpreter: --python PATH') from None
    if ended.returncode != 0:
        said = ended.stderr.decode('utf-8', 'replace').strip().split('\n')[-1]
        raise CulmError('bundle_failed', f'{python} could not read it: {said}')
    told: Shipped = json.loads(ended.stdout)
    if 'error' in told:
        raise CulmError(told['error']['code'], told['error']['detail'], told['error']['help'])
    return told


def _lines_of(cli: Cli, shipped: Shipped, lists_all: bool) -> List[str]:
    style = cli.style()
    files = shipped['files']
    shown = files if lists_all else sorted(files, key=lambda file: -int(file['bytes']))[:_FEW_FILES]
    left = len(files) - len(shown)
    title = 'file' if lists_all or left == 0 else 'largest files'
    sizes = [[file['path'], str(file['bytes'])] for file in shown]
    ignored = [[each['path'], each['why']] for each in shipped['ignored']]
    return [
        f'bundle {shipped["bundle"][:12]}: {len(files)} files, {shipped["bytes"]} bytes',
        '',
        *(table([Column(title, flexible=True), Column('bytes', right=True)], sizes, style) if sizes else []),
        *([style.paint('dim', f'{left} more: culm bundle --list')] if left else []),
        *(['', *table([Column('ignored', flexible=True), Column('why')], ignored, style)] if ignored else []),
        *(style.paint('dim', note) for note in shipped['notes']),
    ]


VERB = Verb(
    'bundle',
    'show what would be shipped to workers with the works of a file, and send nothing',
    _act,
    arguments=[Argument('<file>', 'TypeScript, JavaScript or Python; or the folder of a package')],
    options=[
        Option('--list', 'every file, and not only the largest'),
        Option('--python <path>', 'the interpreter for Python; that of VIRTUAL_ENV, else the one of this program'),
    ],
    more="""
  culm bundle analysis.py
  culm bundle analysis.ts --list

A file .culmignore, in the syntax of .gitignore, names what is left out.
""",
)
