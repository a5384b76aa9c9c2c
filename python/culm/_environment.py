"""Where jobs run: the packages of a lock file, an image, and what is run before and after them."""

from __future__ import annotations

import os
import re
import sys
from typing import Any, Callable, Dict, List, Mapping, Optional

from ._errors import CulmError

#: Options of works by the name that the server gives them (`src/contract/environments.ts`).
SETTING_NAMES = {
    'requirements': 'requirements',
    'conda': 'conda',
    'init_env': 'initEnv',
    'clean_env': 'cleanEnv',
    'post_script': 'postScript',
    'image': 'image',
}
_LOCKS = ('requirements', 'conda')


def environment_of(options: Mapping[str, Any], fn: Callable[..., Any]) -> Dict[str, str]:
    """What the options of a work say of it, as the server is told."""
    return environment_in(options, _folder_of(fn))


def environment_in(options: Mapping[str, Any], folder: str) -> Dict[str, str]:
    """The same of any options, with lock files of this folder."""
    return {SETTING_NAMES[name]: value for name, value in _texts_in(options, folder).items()}


def with_texts(options: Mapping[str, Any], fn: Callable[..., Any]) -> Dict[str, str]:
    """Those options of a work that say something of it, with the texts of lock files."""
    return _texts_in(options, _folder_of(fn))


def _texts_in(options: Mapping[str, Any], folder: str) -> Dict[str, str]:
    said = {name: options[name] for name in SETTING_NAMES if options.get(name) is not None}
    return {name: _lock_text(name, value, folder) if name in _LOCKS else value for name, value in said.items()}


def _folder_of(fn: Callable[..., Any]) -> str:
    """Lock files lie beside the file of the function."""
    file: Optional[str] = getattr(fn, '__globals__', {}).get('__file__')
    return os.path.dirname(os.path.abspath(file)) if file else os.getcwd()


def lock_files(options: Mapping[str, str]) -> List[str]:
    """Lock files beside the work: they are shipped with it, for jobs that call it."""
    named = [options[name] for name in _LOCKS if name in options]
    return [value for value in named if _is_path(value) and not os.path.isabs(value) and not value.startswith('..')]


def has_own_python(options: Mapping[str, str]) -> bool:
    """Whether that decides which interpreter there is, and not this program."""
    return any(options.get(name) for name in ('conda', 'init_env', 'image'))


def check_pickles(environment: Mapping[str, str]) -> None:
    """What is pickled here can only be read by the same minor version of Python."""
    found = re.search(r'/python-(\d+)\.(\d+)\.', environment.get('conda', ''))
    if found and tuple(map(int, found.groups())) != sys.version_info[:2]:
        here = f'{sys.version_info.major}.{sys.version_info.minor}'
        raise CulmError(
            'environment_invalid',
            f'this is Python {here}, and `conda` has {".".join(found.groups())}: that cannot read what is pickled here',
            "Use the same version on both sides, or send plain data, without codec='pickle'.",
        )


def _is_path(value: str) -> bool:
    """A lock file's text names versions, or has several lines; no path does."""
    return value != '' and '\n' not in value and '==' not in value


def _lock_text(name: str, value: str, folder: str) -> str:
    if not _is_path(value):
        return value
    path = os.path.join(folder, value)
    try:
        with open(path, encoding='utf-8') as file:
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise CulmError(
            'environment_invalid',
            f'{name}={value!r}: {path} cannot be read: {error}',
            'Name a lock file by its path, as seen from the file of the work, or give its text.',
        ) from None
