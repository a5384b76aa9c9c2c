"""What type checkers make of the package, and of programs that use it. mypy is installed by `scripts/test-setup.sh`."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import unittest

from support import PYTHON_FOLDER, FolderTest

#: The checkers know these; the package promises the first.
VERSIONS = ('3.9', '3.13')


@unittest.skipUnless(importlib.util.find_spec('mypy'), 'mypy is not installed')
class Types(FolderTest):
    def mypy(self, *words):
        cache = os.path.join(self.folder, 'cache')
        command = [sys.executable, '-m', 'mypy', '--strict', '--warn-unreachable', '--cache-dir', cache, *words]
        return subprocess.run(command, cwd=PYTHON_FOLDER, capture_output=True, text=True, check=False)

    def test_the_package_is_clean(self):
        for version in VERSIONS:
            checked = self.mypy('--python-version', version, '-p', 'culm')
            self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)

    def test_a_program_has_the_types_that_it_was_written_with_and_wrong_calls_are_errors(self):
        for version in VERSIONS:
            checked = self.mypy('--python-version', version, os.path.join('tests', 'typed_use.py'))
            self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)

    def test_a_wrong_call_that_nobody_has_marked_is_found(self):
        self.write('wrong.py', 'from culm import work\n\n@work\ndef f(x: int) -> int:\n    return x\n\nf("a")\n')
        checked = self.mypy(os.path.join(self.folder, 'wrong.py'))
        self.assertIn('[arg-type]', checked.stdout)


@unittest.skipUnless(importlib.util.find_spec('vermin'), 'vermin is not installed')
class Names(unittest.TestCase):
    def test_nothing_newer_than_3_9_is_used(self):
        vermin = os.path.join(os.path.dirname(sys.executable), 'vermin')
        command = [vermin, '--target=3.9-', '--no-tips', '--violations', 'culm']
        checked = subprocess.run(command, cwd=PYTHON_FOLDER, capture_output=True, text=True, check=False)
        self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)


if __name__ == '__main__':
    unittest.main()
