"""Where jobs run, as options of a command."""

from __future__ import annotations

from .verb import Option

ENVIRONMENT_OPTIONS = (
    Option('--requirements <file>', 'a lock file of pip (pip freeze): packages that are installed once, and kept'),
    Option('--conda <file>', 'the same by a lock file of conda (conda list --explicit)'),
    Option('--image <image>', 'what it runs in: of a registry, a file or unpacked folder by its full path, or host'),
    Option('--init-env <lines>', 'shell lines that are run before; a program at their end starts it'),
    Option('--clean-env <lines>', 'shell lines that are run after each job, in the shell of --init-env'),
    Option('--post-script <lines>', 'shell lines that are run after each job where that ran'),
)
