"""Ids of arguments: the keys under which programmes keep what came of them."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from .._values import encode


def get_unique_id_for_dict(arguments: Any) -> str:
    """The SHA-1 of arguments as JSON text with sorted names: whatever the order of a dict, the same. What JSON lacks is
    taken as it travels (`docs/reference/values.md`)."""
    try:
        text = json.dumps(arguments, sort_keys=True)
    except TypeError:
        text = json.dumps(json.loads(encode(arguments)), sort_keys=True)
    return hashlib.sha1(text.encode('utf-8')).hexdigest()
