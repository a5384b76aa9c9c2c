"""Keeps files of a job's working folder for its next attempt: content by its hash, and then the list of it."""

from __future__ import annotations

import hashlib
import os
import stat
from typing import Any, Dict, Iterator, Mapping

from ._client import Client
from ._errors import CulmError
from ._inside import Keeping

#: Rounds of asking what is missing and sending it. The second one normally hears that nothing is; with files that take
#: hours there are more, since addresses hold for an hour.
_ROUNDS = 20
_CHUNK_BYTES = 1 << 20
_HELP = 'Keep a file or folder inside the working folder of the job: plain files, at most 20,000 of 1 GB each.'


def files_to_keep(work_folder: str, path: str) -> Dict[str, str]:
    """The file, or the files of the folder, at `path` of the working folder: their paths in there, and on this machine.

    Links to files are the files that they lead to.
    """
    folder = os.path.realpath(work_folder)
    wanted = os.path.normpath(os.path.join(folder, path))
    above, _, name = wanted.rpartition(os.sep)
    place = wanted if wanted == folder else os.path.join(os.path.realpath(above), name)
    if place != folder and not place.startswith(folder + os.sep):
        raise _invalid(f'{path} does not lie in the working folder of the job ({folder})')
    if not os.path.exists(place):
        raise _invalid(f'there is no {path} in the working folder of the job')
    places = _files_below(place) if os.path.isdir(place) else iter([place])
    return {os.path.relpath(file, folder).replace(os.sep, '/'): _plain(file) for file in places}


def keep(keeping: Keeping, files: Mapping[str, str]) -> None:
    """Sends what the server does not have of these files, and has them registered for the next attempt of the job."""
    entries = [_entry(path, file) for path, file in files.items()]
    manifest = {'version': 1, 'files': entries}
    by_hash = {entry['hash']: entry for entry in entries}
    with Client(keeping.server_url, keeping.token, retry_seconds=float('inf')) as client:
        for _ in range(_ROUNDS):
            ticket = client.post(f'/v1/jobs/{keeping.job_id}/checkpoint', manifest, repeat=True)
            if ticket['kept']:
                return
            for missing in ticket['missing']:
                entry = by_hash[missing['hash']]
                if not _send(client, missing['url'], entry['path'], files[entry['path']], entry['bytes']):
                    break
    raise CulmError('bundle_incomplete', f'the server still lacks files of the checkpoint after {_ROUNDS} uploads')


def _send(client: Client, url: str, path: str, file: str, size: int) -> bool:
    """False when the address holds no longer."""
    try:
        client.put_file(url, file, size)
        return True
    except CulmError as error:
        if error.code == 'signature_invalid':
            return False
        if error.code != 'blob_mismatch':
            raise
        raise _invalid(f'{path} was changed while it was kept') from error


def _files_below(folder: str) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.is_dir(follow_symlinks=False):
                yield from _files_below(entry.path)
            else:
                yield entry.path


def _plain(file: str) -> str:
    try:
        if stat.S_ISREG(os.stat(file).st_mode):
            return file
    except FileNotFoundError:  # A link that leads nowhere.
        pass
    raise _invalid(f'{file} is no plain file: links to folders, sockets and devices cannot be kept')


def _entry(path: str, file: str) -> Dict[str, Any]:
    """Read piece by piece: a file may be larger than there is memory for."""
    digest, size = hashlib.sha256(), 0
    with open(file, 'rb') as content:
        for chunk in iter(lambda: content.read(_CHUNK_BYTES), b''):
            digest.update(chunk)
            size += len(chunk)
    return {'path': path, 'hash': digest.hexdigest(), 'bytes': size}


def _invalid(detail: str) -> CulmError:
    return CulmError('checkpoint_invalid', detail, _HELP)
