"""Verbs that take Culm's program for Node: a server runs there, and so does the running of an installation."""

from __future__ import annotations

import os
import sys
from typing import Sequence

from .._errors import CulmError
from .._node import install_command, node_program
from .verb import Argument, Verb, split_at_verb

_OPTIONS = (Argument('[options]'),)

SERVER_VERBS = (
    Verb('up', 'run everything on this machine: database, server, agents, and a queue with its pilot', None, _OPTIONS),
    Verb('server', 'serve the API on an outside PostgreSQL (DATABASE_URL)', None, _OPTIONS),
    Verb('agents', 'run the agents on an outside PostgreSQL (DATABASE_URL)', None, _OPTIONS),
    Verb('pilot', 'serve a queue: claim jobs, run them, report', None, _OPTIONS),
    Verb('doctor', 'look for what is wrong here, and say what helps'),
)
ACCOUNT_VERBS = (
    Verb('queue', 'compute queues, and the tokens of their pilots (culm ls queues lists them)'),
    Verb('user', 'users of an experiment, and their tokens'),
    Verb('experiment', 'experiments: the tenants of an installation'),
    Verb('token', 'tokens that were issued: who may come in'),
)
ROTATE_SECRETS = Verb(
    'rotate',
    'seal all secrets with a new key, or go on where an earlier rotation was interrupted (operators)',
)
VERBS = (*SERVER_VERBS, *ACCOUNT_VERBS, ROTATE_SECRETS)


def hand_over(words: Sequence[str]) -> int:
    """Becomes that program, with the same words. CULM_COMMAND is how it calls itself in what it tells."""
    program = node_program()
    if program is None:
        raise CulmError(
            'node_missing',
            f'`culm {split_at_verb(words)[0]}` takes the part of Culm that runs on Node, which is not installed here',
            install_command(),
        )
    sys.stdout.flush()
    os.execve(program[0], [*program, *words], {'CULM_COMMAND': 'culm', **os.environ})
