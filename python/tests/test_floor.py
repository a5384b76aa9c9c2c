"""The package runs on every Python from 3.9 on, with nothing but the standard library."""

from __future__ import annotations

import ast
import os
import re
import sys
import unittest

from support import PYTHON_FOLDER

#: Names of the standard library that are newer than 3.9.
NEWER = r"""
    \baiter\( | \banext\( | strict=True | itertools\.(pairwise|batched) | slots=True | kw_only=True | ExceptionGroup |
    add_note | TaskGroup | asyncio\.(timeout|Runner) | tomllib | StrEnum | datetime\.UTC | dt\.UTC |
    stdlib_module_names |
    from\ typing\ import\ .*\b(ParamSpec|TypeAlias|Self|Concatenate|override)\b | get_annotations | EncodingWarning |
    hashlib\.file_digest | \bcontextlib\.(aclosing|chdir) | functools\.(singledispatch\.|Placeholder) | bisect.*key=
"""


def sources():
    package = os.path.join(PYTHON_FOLDER, 'culm')
    for folder, _, names in os.walk(package):
        for path in (os.path.join(folder, name) for name in sorted(names) if name.endswith('.py')):
            with open(path, encoding='utf-8') as file:
                yield os.path.relpath(path, package), file.read()


class Floor(unittest.TestCase):
    def test_the_syntax_is_that_of_python_3_9(self):
        for name, text in sources():
            with self.subTest(name):
                ast.parse(text, name, feature_version=(3, 9))
                tree = ast.parse(text)
                self.assertFalse([n for n in ast.walk(tree) if type(n).__name__ in ('Match', 'TryStar', 'TypeAlias')])

    def test_annotations_are_never_evaluated(self):
        for name, text in sources():
            if 'import ' in text and name != '__init__.py':
                self.assertIn('from __future__ import annotations', text, name)

    def test_nothing_newer_than_3_9_is_called(self):
        for name, text in sources():
            found = re.search(NEWER, text, re.VERBOSE)
            self.assertIsNone(found, f'{name}: {found}')

    @unittest.skipUnless(hasattr(sys, 'stdlib_module_names'), 'this Python does not list its standard library')
    def test_only_the_standard_library_is_imported(self):
        for name, text in sources():
            for node in ast.walk(ast.parse(text)):
                names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
                names += [node.module] if isinstance(node, ast.ImportFrom) and node.level == 0 else []
                foreign = {n.split('.')[0] for n in names} - sys.stdlib_module_names
                known = {'numpy', 'pandas', 'pyarrow', 'IPython', 'typing_extensions', 'culm_server'}
                self.assertLessEqual(foreign, known, name)


if __name__ == '__main__':
    unittest.main()
