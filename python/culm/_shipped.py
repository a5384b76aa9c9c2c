"""What `culm bundle` shows of Python: `python -m culm._shipped PATH` prints, as JSON, what a bundle of it would hold.

The sources are read and not run. So `@work(files=…)` is known where it is written out; where it is computed, that is
said.
"""

from __future__ import annotations

import ast
import json
import os
import sys
from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple

from ._bundle import gather, make_bundle
from ._environment import lock_files
from ._errors import CulmError
from ._source import Source, script_path, want_files


def shipped(path: str) -> Dict[str, Any]:
    """The bundle of a script, of a module of a package, or of a package's folder."""
    source, root = _source_of(os.path.abspath(path))
    sys.path[0] = root  # As Python does for a script; `-m` has put the working directory there.
    notes = list(_want_files(gather(source)))
    left_out: Dict[str, str] = {}
    bundle = make_bundle(gather(source, left_out))
    return {
        'bundle': bundle.hash,
        'language': 'python',
        'files': sorted(bundle.manifest['files'], key=lambda entry: str(entry['path'])),
        'bytes': sum(entry['bytes'] for entry in bundle.manifest['files']),
        'ignored': [{'path': path, 'why': why} for path, why in sorted(left_out.items())],
        'notes': notes,
    }


def _source_of(path: str) -> Tuple[Source, str]:
    """What is imported from a package is a module of it; any other file is taken for a script."""
    root, name = os.path.split(path)
    if os.path.isfile(path) and not _is_package(root):
        return Source(script_path(path), '', path, True), root
    names = [name[:-3] if name.endswith('.py') else name]
    while _is_package(root):
        root, name = os.path.split(root)
        names.insert(0, name)
    module = '.'.join(names[:-1] if names[-1] == '__init__' else names)
    return Source(module, '', path if os.path.isfile(path) else None, False), root


def _is_package(folder: str) -> bool:
    return os.path.isfile(os.path.join(folder, '__init__.py'))


def _want_files(files: Mapping[str, str]) -> Iterator[str]:
    """Asks for what `files=` and the lock files of works name, and tells where that cannot be read."""
    for path, place in files.items():
        for line, option, patterns in _wanted_in(place) if path.endswith('.py') else ():
            if patterns is None:
                yield f'{path}, line {line}: `{option}` is computed there, so what it names is not listed'
            else:
                want_files(place, patterns)


def _wanted_in(file: str) -> Iterator[Tuple[int, str, Optional[List[str]]]]:
    """Lines with the options of works there, and what these name; None when that cannot be read."""
    with open(file, 'rb') as source:
        text = source.read()
    try:
        tree = ast.parse(text, file)
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _name(node.func) == 'work':
            for keyword in node.keywords:
                if keyword.arg in ('files', 'requirements', 'conda'):
                    yield node.lineno, keyword.arg, _named(keyword.arg, keyword.value)


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, 'id', '')


def _named(option: str, node: ast.expr) -> Optional[List[str]]:
    try:
        value = ast.literal_eval(node)
        return [str(pattern) for pattern in value] if option == 'files' else lock_files({option: value or ''})
    except (ValueError, TypeError):
        return None


def main() -> None:
    try:
        document = shipped(sys.argv[1])
    except CulmError as error:
        document = {'error': {'code': error.code, 'detail': error.detail, 'help': error.help}}
    print(json.dumps(document))


if __name__ == '__main__':
    main()
