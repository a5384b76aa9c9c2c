"""What is shipped to the worker so that it can import a work: a bundle, named by the hash of its contents.

A bundle has the module of the work and, found by reading import statements (those inside functions too), every module
and package of the user's own that it leads to: of a package the whole folder with its data files, of a plain script or
module the file alone. What is installed (site-packages, the standard library) is not shipped. So a script that lies in
a home folder among thousands of files ships itself and what it imports, and nothing else; data files beside it are
named by `@work(files=['points.csv'])`.

Left out of a package: hidden files, `__pycache__`, `node_modules` and virtual environments. Whatever it is, what a file
`.culmignore` says is left out: one in the folder that holds the module or package, or further down, in the syntax of
`.gitignore`. A file that holds credentials is refused, by its name, before anything is sent.
"""

from __future__ import annotations

import ast
import functools
import glob
import hashlib
import importlib.util
import json
import os
import site
import sysconfig
import threading
from importlib.machinery import ModuleSpec
from typing import (
    TYPE_CHECKING,
    Any,
    Dict,
    FrozenSet,
    Iterable,
    Iterator,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Set,
    Tuple,
    Union,
)

from ._client import Client
from ._credentials import credential_in
from ._errors import CulmError
from ._ignore import IgnoreFiles
from ._source import Source, wanted_files

if TYPE_CHECKING:
    from ._capture import Captured

MAX_FILES = 2_000
MAX_BYTES = 50_000_000

#: What is never shipped of a package, and why.
_IGNORED_FOLDERS = {
    '__pycache__': 'made by Python',
    'node_modules': 'packages of Node',
    'site-packages': 'installed packages',
    'venv': 'a virtual environment',
}
#: Folders that building makes; a package of this name is no such folder.
_BUILT_FOLDERS = frozenset({'build', 'dist'})
_IGNORED_SUFFIXES = ('.pyc', '.pyo')

#: When files were last changed, and their sizes.
Stamps = Dict[str, Tuple[int, int]]

#: Bundles by the file of the module, once per process: what runs remotely is what this process has loaded.
_known: Dict[Tuple[str, str], str] = {}
#: Bundles of what was captured, by its digest, with the files that they were made from.
_known_captured: Dict[Tuple[str, str], Tuple[str, Stamps]] = {}
_lock = threading.Lock()


#: A file here, or what is in one that is made for the bundle.
Content = Union[str, bytes]


class Bundle(NamedTuple):
    """`files` has what each path inside the bundle is."""

    hash: str
    manifest: Dict[str, Any]
    files: Dict[str, Content]


def ensure_bundle(client: Client, source: Union[Source, Captured]) -> str:
    """The hash of the bundle of a source; the server has it afterwards."""
    if not isinstance(source, Source):
        return _ensure_captured(client, source)
    place = (client.url, source.file or source.module)
    with _lock:
        if place not in _known:
            bundle = make_bundle(gather(source))
            _upload(client, bundle)
            _known[place] = bundle.hash
        return _known[place]


def _ensure_captured(client: Client, captured: Captured) -> str:
    """Modules are shipped as they lie on the disk now: a session lives long, and its user edits them meanwhile."""
    place = (client.url, captured.digest)
    with _lock:
        known, stamps = _known_captured.get(place, ('', {}))
        if not known or stamps != _stamps(stamps):
            bundle = make_bundle(gather_captured(captured))
            _upload(client, bundle)
            made_from = [file for file in bundle.files.values() if isinstance(file, str)]
            known, _ = _known_captured[place] = bundle.hash, _stamps(made_from)
        return known


def _stamps(files: Iterable[str]) -> Stamps:
    """What tells whether a file has changed."""
    stamps: Stamps = {}
    for file in files:
        try:
            stat = os.stat(file)
            stamps[file] = (stat.st_mtime_ns, stat.st_size)
        except OSError:
            stamps[file] = (0, 0)
    return stamps


def _upload(client: Client, bundle: Bundle) -> None:
    """The server says what it lacks, and once it lacks nothing the bundle is there."""
    by_hash = {entry['hash']: bundle.files[entry['path']] for entry in bundle.manifest['files']}
    for _ in range(2):
        ticket = client.post('/v1/bundles', bundle.manifest, repeat=True)
        if ticket['bundle'] != bundle.hash:
            raise CulmError('bundle_failed', f'the server calls the bundle {ticket["bundle"]}, and it is {bundle.hash}')
        if not ticket['missing']:
            return
        for wanted in ticket['missing']:
            client.put_bytes(wanted['url'], _read(by_hash[wanted['hash']]))
    raise CulmError(
        'bundle_failed', 'the server still lacks files that were sent', 'Did they change meanwhile? Run it again.'
    )


def _read(content: Content) -> bytes:
    if isinstance(content, bytes):
        return content
    with open(content, 'rb') as file:
        return file.read()


def make_bundle(files: Mapping[str, Content]) -> Bundle:
    """Reads and hashes the files, and refuses what is too much, or nobody else's business."""
    entries: List[Dict[str, Any]] = []
    credentials: List[str] = []
    for path, place in files.items():
        content = _read(place)
        entries.append({'path': path, 'hash': hashlib.sha256(content).hexdigest(), 'bytes': len(content)})
        says = credential_in(path, content)
        if says:
            credentials.append(f'{path} ({says})')
    if credentials:
        raise CulmError(
            'bundle_has_credentials', f'these hold credentials, and nothing was sent: {", ".join(sorted(credentials))}'
        )
    _refuse_too_much(entries)
    manifest = {'version': 1, 'language': 'python', 'files': entries}
    name = hashlib.sha256(manifest_text(manifest).encode('utf-8')).hexdigest()
    return Bundle(name, manifest, dict(files))


def manifest_text(manifest: Mapping[str, Any]) -> str:
    """What the name of a bundle is the hash of: sorted files (by UTF-16, as JavaScript compares), no spaces."""
    files = sorted(manifest['files'], key=lambda entry: entry['path'].encode('utf-16-be'))
    form = {
        'version': manifest['version'],
        'language': manifest['language'],
        'files': [{'path': f['path'], 'hash': f['hash'], 'bytes': f['bytes']} for f in files],
    }
    return json.dumps(form, ensure_ascii=False, separators=(',', ':'))


def gather(source: Source, left_out: Optional[Dict[str, str]] = None) -> Dict[str, str]:
    """Paths inside the bundle, and the files here that they are. Empty when the module is installed.

    `left_out` is given what is not shipped, and why: paths inside the bundle, those of folders with a slash at the end.
    """
    files: Dict[str, str] = {}
    ignored = {} if left_out is None else left_out
    if source.is_script:
        if source.file is None or not os.path.isfile(source.file):
            raise CulmError('bundle_failed', f'the script {source.module} is in no file that could be shipped')
        files[source.module] = source.file
        names = _imported(source.file)
    else:
        names = [source.module.partition('.')[0]]
        if _spec(names[0]) is None:
            raise CulmError('bundle_failed', f'the module {source.module} was not found again by its name')
    files.update(_modules(names, ignored))
    _refuse_without_module(source, ignored)
    return {**files, **_extra_files(files, ignored)}


def gather_captured(captured: Captured) -> Dict[str, Content]:
    """What was captured, the user's own modules that it imports, and the files that its work asks for."""
    left_out: Dict[str, str] = {}
    modules = _modules(captured.modules, left_out)
    extra = _extra_files(modules, left_out)
    for pattern in captured.patterns:
        extra.update(_matching(captured.folder, '', pattern, left_out))
    return {**captured.files, **modules, **extra}


def _modules(wanted: Iterable[str], left_out: Dict[str, str]) -> Dict[str, str]:
    """The files of the user's own modules among these, and of those that they import."""
    files: Dict[str, str] = {}
    names = sorted(wanted)
    seen: Set[str] = {'culm'}
    while names:
        name = names.pop()
        if name not in seen:
            seen.add(name)
            found = _local_files(name, left_out)
            files.update(found)
            names += [inner for path, place in found.items() if path.endswith('.py') for inner in _imported(place)]
    return files


def _refuse_without_module(source: Source, left_out: Mapping[str, str]) -> None:
    """A work whose own module is left out could not be found by any job."""
    stem = source.module.replace('.', '/')
    for path, why in left_out.items():
        if f'{stem}.py' == path or f'{stem}/__init__.py' == path or (path.endswith('/') and f'{stem}/'.startswith(path)):
            raise CulmError('bundle_failed', f'the module {source.module} has works, and {path} is left out: {why}')


def _imported(file: str) -> List[str]:
    """The first parts of the names of all modules that a source imports, anywhere in it."""
    try:
        with open(file, 'rb') as source:
            tree = _parsed(source.read(), file)
    except (SyntaxError, ValueError):
        return []
    names: Set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name.partition('.')[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.partition('.')[0])
    return sorted(names)


def _parsed(text: bytes, file: str) -> ast.AST:
    """Some releases of CPython 3.11 and 3.12 lose count of their depth when another thread interrupts them."""
    try:
        return ast.parse(text, file)
    except SystemError:
        return ast.parse(text, file)


def _spec(name: str) -> Optional[ModuleSpec]:
    try:
        return importlib.util.find_spec(name)
    except (ImportError, ValueError, AttributeError):
        return None


def _local_files(name: str, left_out: Dict[str, str]) -> Dict[str, str]:
    """The files of a top-level module or package, when it is the user's own."""
    spec = _spec(name)
    if spec is None:
        return {}
    if spec.submodule_search_locations is not None:
        folders = [f for f in spec.submodule_search_locations if os.path.isdir(f) and not _is_installed(f)]
        return {path: place for folder in reversed(folders) for path, place in _package_files(name, folder, left_out)}
    if spec.origin is None or not os.path.isfile(spec.origin) or _is_installed(spec.origin):
        return {}
    folder, path = os.path.split(os.path.abspath(spec.origin))
    line = IgnoreFiles(folder).line_for(path)
    if line:
        left_out[path] = line
        return {}
    return {path: os.path.join(folder, path)}


def _package_files(name: str, folder: str, left_out: Dict[str, str]) -> Iterator[Tuple[str, str]]:
    ignored = IgnoreFiles(os.path.dirname(folder))
    # What the package is called, and what its folder is called, may be two things: a folder of the path may be a link.
    called = os.path.basename(folder)
    for here, folders, names in os.walk(folder):
        inside = os.path.relpath(here, folder).replace(os.sep, '/')
        below = '' if inside == '.' else f'{inside}/'
        kept: List[str] = []
        for each in sorted(folders):
            why = _why_no_folder(here, each) or ignored.line_for(f'{called}/{below}{each}', is_folder=True)
            if why:
                left_out[f'{name}/{below}{each}/'] = why
            else:
                kept.append(each)
        folders[:] = kept
        for file in sorted(names):
            why = _why_no_file(here, file) or ignored.line_for(f'{called}/{below}{file}')
            if why:
                left_out[f'{name}/{below}{file}'] = why
            else:
                yield f'{name}/{below}{file}', os.path.join(here, file)


def _why_no_folder(here: str, name: str) -> Optional[str]:
    folder = os.path.join(here, name)
    if name in _IGNORED_FOLDERS:
        return _IGNORED_FOLDERS[name]
    if name.startswith('.'):
        return 'hidden'
    if os.path.exists(os.path.join(folder, 'pyvenv.cfg')):
        return 'a virtual environment'
    if name in _BUILT_FOLDERS and not os.path.exists(os.path.join(folder, '__init__.py')):
        return 'made by a build'
    return 'a link to a folder' if os.path.islink(folder) else None


def _why_no_file(here: str, name: str) -> Optional[str]:
    if name.startswith('.'):
        return 'hidden'
    if name.endswith(_IGNORED_SUFFIXES):
        return 'made by Python'
    return None if os.path.isfile(os.path.join(here, name)) else 'not a file'


def _extra_files(files: Mapping[str, str], left_out: Dict[str, str]) -> Dict[str, str]:
    """What works in these files asked for, at the same place relative to their module."""
    inside = {os.path.abspath(place): path for path, place in files.items()}
    found: Dict[str, str] = {}
    for module_file, pattern in sorted(wanted_files):
        if module_file not in inside:
            continue
        found.update(_matching(os.path.dirname(module_file), os.path.dirname(inside[module_file]), pattern, left_out))
    return found


def _matching(folder: str, prefix: str, pattern: str, left_out: Dict[str, str]) -> Dict[str, str]:
    """Files of a folder by a pattern, and where they lie in the bundle, below `prefix`."""
    ignored = IgnoreFiles(folder[: len(folder) - len(prefix)])
    places = [p for p in sorted(glob.glob(os.path.join(folder, pattern), recursive=True)) if os.path.isfile(p)]
    if not places:
        raise CulmError(
            'bundle_failed',
            f'files={pattern!r}: there is no such file in {folder}',
            'Patterns are relative to the file of the work, in a session to the folder it runs in.',
        )
    found: Dict[str, str] = {}
    for place in places:
        path = os.path.normpath(os.path.join(prefix, os.path.relpath(place, folder)))
        if path.startswith('..') or os.path.isabs(path):
            raise CulmError('bundle_failed', f'files={pattern!r}: {place} lies outside the folder of the sources')
        path = path.replace(os.sep, '/')
        line = ignored.line_for(path)
        if line:
            left_out[path] = line
        else:
            found[path] = place
    return found


def _is_installed(path: str) -> bool:
    place = os.path.abspath(path)
    inside = any(place.startswith(folder + os.sep) for folder in _installed_folders())
    return inside or not {'site-packages', 'dist-packages'}.isdisjoint(place.split(os.sep))


@functools.cache
def _installed_folders() -> FrozenSet[str]:
    paths = sysconfig.get_paths()
    user_site = [site.getusersitepackages()] if site.ENABLE_USER_SITE else []
    return frozenset(
        map(os.path.abspath, [*(paths[name] for name in ('stdlib', 'platstdlib', 'purelib', 'platlib')), *user_site])
    )


def _refuse_too_much(entries: Sequence[Mapping[str, Any]]) -> None:
    total = sum(entry['bytes'] for entry in entries)
    if len(entries) <= MAX_FILES and total <= MAX_BYTES:
        return
    largest = sorted(entries, key=lambda entry: -int(entry['bytes']))[:5]
    folders: Dict[str, int] = {}
    for entry in entries:
        folder = entry['path'].rpartition('/')[0] or '.'
        folders[folder] = folders.get(folder, 0) + 1
    fullest = sorted(folders.items(), key=lambda item: -item[1])[:5]
    raise CulmError('bundle_too_large', _too_much(len(entries), total, largest, fullest))


def _too_much(count: int, total: int, largest: Sequence[Mapping[str, Any]], fullest: Sequence[Tuple[str, int]]) -> str:
    big = ', '.join(f'{entry["path"]} ({entry["bytes"] / 1e6:.1f} MB)' for entry in largest)
    full = ', '.join(f'{name} ({files})' for name, files in fullest)
    limit = f'{MAX_FILES} files of {MAX_BYTES / 1e6:.0f} MB'
    return f'the sources are {count} files of {total / 1e6:.1f} MB, more than {limit}; largest: {big}; fullest: {full}'
