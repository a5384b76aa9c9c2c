"""Carries out one command line."""

from __future__ import annotations

import os
import sys
from typing import List, Optional, Sequence, TextIO, Tuple

from .. import __version__
from . import bundle, cancel, explain, login, logs, ls, node, retry, run, secret, show, steer, submit, watch, whoami
from . import open as open_page
from .cli import Cli
from .completion import completion_verb
from .errors import INTERRUPTED, UsageError, report_error
from .help import help_text
from .output import Output
from .similar import similar
from .verb import Verb, before_dashes, read_words, split_at_verb

_VERBS = (
    *node.SERVER_VERBS,
    *(run.VERB, submit.VERB, ls.VERB, show.VERB, logs.VERB, watch.VERB, explain.VERB, cancel.VERB, retry.VERB),
    *(steer.PAUSE, steer.RESUME, steer.FINISH, steer.PRIORITY),
    *(open_page.VERB, bundle.VERB, secret.VERB),
    *node.ACCOUNT_VERBS,
    *(login.VERB, whoami.VERB),
)

PROGRAM = Verb(
    'culm',
    'runs functions, commands and workflows on this machine or at many sites',
    below=(*_VERBS, completion_verb(_VERBS)),
)


def run_cli(words: Sequence[str], stdout: TextIO = sys.stdout, stderr: TextIO = sys.stderr) -> int:
    """Whatever goes wrong is told and makes the exit code: 1 it failed, 2 it was written wrongly, 3 there is no server,
    130 interrupted."""
    _write_utf_8(stdout, stderr)
    cli = Cli(words, os.environ, Output(stdout), Output(stderr))
    cli.json = '--json' in before_dashes(words)  # What is wrong with the words themselves is told as it asks for.
    name = split_at_verb(words)[0] or ''
    try:
        return _carry_out(cli, words)
    except BrokenPipeError:  # `culm ls | head`: the reader has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        return report_error(cli, error, name if _below(PROGRAM, name) else '')
    finally:
        cli.close()


def _carry_out(cli: Cli, words: Sequence[str]) -> int:
    verb, path, rest = _find_verb(words)
    if verb in node.VERBS:
        return node.hand_over(words)
    given = read_words(rest, verb.options, verb.arguments, verb.name)
    cli.take_options(given)
    if given.version:
        cli.print(__version__)
    elif given.help:
        cli.stdout.write(help_text(verb, path, _width(cli.stdout)))
    elif verb.act is None:  # `culm` or `culm secret` alone: a question.
        cli.stderr.write(help_text(verb, path, _width(cli.stderr)))
    else:
        return verb.act(cli, given)
    return 0


def _find_verb(words: Sequence[str]) -> Tuple[Verb, str, List[str]]:
    """The verb that is meant, how it is called, and the words that are for it. `culm help ls` is `culm ls --help`."""
    verb, path, rest = PROGRAM, PROGRAM.name, list(words)
    asks_help = False
    while verb.below:
        name, rest = split_at_verb(rest)
        if name is None:
            break
        if name == 'help':
            asks_help = True
            continue
        found = _below(verb, name)
        if found is None:
            raise UsageError(f"unknown command '{name}'{similar(name, [*(v.name for v in verb.below), 'help'])}")
        verb, path = found, f'{path} {name}'
    return verb, path, [*rest, '--help'] if asks_help else rest


def _below(verb: Verb, name: str) -> Optional[Verb]:
    return next((found for found in verb.below if found.name == name), None)


def _width(output: Output) -> int:
    return (output.columns or 80) if output.is_tty else 80


def _write_utf_8(*streams: TextIO) -> None:
    """As every program of Culm does. Half a surrogate pair is written as JSON escapes it."""
    for stream in streams:
        reconfigure = getattr(stream, 'reconfigure', None)
        if reconfigure:
            reconfigure(encoding='utf-8', errors='backslashreplace')
