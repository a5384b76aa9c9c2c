"""What `culm bundle` shows of Python."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import unittest
from unittest import mock

from support import FolderTest

from culm import _shipped


class Shown(FolderTest):
    def shown(self, path):
        said = io.StringIO()
        place = os.path.join(self.folder, path)
        with mock.patch.object(sys, 'argv', ['culm', place]), contextlib.redirect_stdout(said):
            with mock.patch.object(sys, 'path', ['', *sys.path]):
                _shipped.main()
        return json.loads(said.getvalue())

    def paths(self, path):
        return [entry['path'] for entry in self.shown(path)['files']]

    def test_nothing_of_the_sources_is_run(self):
        self.write('flow.py', 'import helper\nraise SystemExit("it was run")\n')
        self.write('helper.py', 'raise SystemExit("it was imported")\n')
        self.assertEqual(self.paths('flow.py'), ['flow.py', 'helper.py'])

    def test_files_that_works_ask_for_are_read_from_the_source_and_what_is_computed_is_said(self):
        self.write(
            'flow.py',
            """
            import culm
            from culm import work
            import names

            @culm.work(files=['a.txt'])
            def f(): pass

            @work(files=names.wanted())
            def g(): pass
            """,
        )
        for name in ('names.py', 'a.txt', 'b.txt'):
            self.write(name)
        shown = self.shown('flow.py')
        self.assertEqual([entry['path'] for entry in shown['files']], ['a.txt', 'flow.py', 'names.py'])
        self.assertEqual(shown['notes'], ['flow.py, line 9: `files` is computed there, so what it names is not listed'])

    def test_so_are_lock_files_beside_them(self):
        self.write(
            'flow.py',
            """
            from culm import work

            @work(requirements='lock.txt')
            def f(): pass

            @work(requirements='numpy==2.1.0', conda=None)
            def g(): pass
            """,
        )
        self.write('lock.txt', 'numpy==1.26.4')
        shown = self.shown('flow.py')
        self.assertEqual([entry['path'] for entry in shown['files']], ['flow.py', 'lock.txt'])
        self.assertEqual(shown['notes'], [])

    def test_a_module_of_a_package_stands_for_the_package_wherever_it_is_in_it(self):
        for path in ('pack/__init__.py', 'pack/sub/__init__.py', 'pack/sub/steps.py', 'pack/data.csv'):
            self.write(path)
        wanted = ['pack/__init__.py', 'pack/data.csv', 'pack/sub/__init__.py', 'pack/sub/steps.py']
        for path in ('pack', 'pack/__init__.py', 'pack/sub', 'pack/sub/steps.py'):
            self.assertEqual(self.paths(path), wanted, path)

    def test_a_refusal_is_told_as_one(self):
        self.write('pack/__init__.py')
        self.write('pack/id_rsa')
        error = self.shown('pack')['error']
        self.assertEqual(error['code'], 'bundle_has_credentials')
        self.assertIn('pack/id_rsa (a private key of SSH)', error['detail'])


if __name__ == '__main__':
    unittest.main()
