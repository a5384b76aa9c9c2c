"""`python -m culm`, and the command `culm`."""

from __future__ import annotations

import sys

from .cli.program import run_cli


def main() -> None:
    sys.exit(run_cli(sys.argv[1:]))


if __name__ == '__main__':
    main()
