"""The command line `culm` in Python, with the standard library alone: one file per command.

It says and prints what the one for Node does (`src/cli`). What takes Node (a server, TypeScript files) is handed to
that, where it is installed.
"""
