"""Follows the workflows of a program as they come, and shows them together."""

from __future__ import annotations

import contextlib
from concurrent.futures import Future
from typing import Dict, List, Tuple

from ..._client import Client
from ..cli import Cli
from ..threads import in_thread
from .follow import Following, Workflow
from .live import open_live


class Follower:
    def __init__(self, cli: Cli, client: Client) -> None:
        self._client = client
        self._live = open_live(cli)
        self._followed: Dict[str, Tuple[Following, Future[Workflow]]] = {}

    @property
    def ids(self) -> List[str]:
        return list(self._followed)

    def add(self, id: str) -> None:
        if id not in self._followed:
            following = Following(self._client, id, self._live.show)
            self._followed[id] = following, in_thread(following.run, 'culm-follow')

    def end(self) -> List[Workflow]:
        """Takes a last look, and tells what became of each. Looking on is a service: what fails in it is not told,
        since what the program does is told by the program."""
        workflows: List[Workflow] = []
        for following, _ in self._followed.values():
            following.leave()
        for _, followed in self._followed.values():
            with contextlib.suppress(Exception):
                workflows.append(followed.result())
        self._live.end()
        return workflows
