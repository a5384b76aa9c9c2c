"""What language a file is in, and what runs Python."""

from __future__ import annotations

import os
import sys
from typing import Dict, Mapping

#: Of files that Node runs.
NODE_SUFFIXES = ('.ts', '.mts', '.cts', '.js', '.mjs', '.cjs', '.tsx', '.jsx')


def interpreter(env: Mapping[str, str]) -> str:
    """For a Python file that nobody named one for."""
    own = os.path.join(env.get('VIRTUAL_ENV', ''), 'bin', 'python')
    return own if env.get('VIRTUAL_ENV') and os.path.exists(own) else sys.executable


def package_path(env: Mapping[str, str]) -> Dict[str, str]:
    """A package that is installed is found by its own interpreter, and by another one it must not be: with it would
    come all that lies beside it."""
    folder = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    if os.path.basename(folder) in ('site-packages', 'dist-packages'):
        return {}
    return {'PYTHONPATH': os.pathsep.join(filter(None, [folder, env.get('PYTHONPATH')]))}
