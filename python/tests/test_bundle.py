"""Bundles: what a work needs is shipped, and nothing else."""

from __future__ import annotations

import hashlib
import os
import sys
import unittest

from support import FolderTest, fixture

from culm import CulmError
from culm import _bundle
from culm._bundle import gather, make_bundle, manifest_text
from culm._source import Source


class Manifests(unittest.TestCase):
    def test_the_text_and_name_of_a_manifest_are_those_of_both_languages(self):
        for vector in fixture('bundle.json')['bundles']:
            text = manifest_text(vector['manifest'])
            self.assertEqual(text, vector['text'], vector['name'])
            self.assertEqual(hashlib.sha256(text.encode()).hexdigest(), vector['hash'])


class Gathering(FolderTest):
    def script(self, name='flow.py'):
        sys.path.insert(0, self.folder)  # as Python does for a script
        return Source(name, 'f', os.path.join(self.folder, name), True)

    def module(self, name):
        return Source(name, 'f', self.load(name).__file__, False)

    def test_a_script_takes_what_it_imports_and_nothing_else(self):
        self.write('flow.py', 'import helper\nfrom tools.deep import x\ndef f():\n    import late\n')
        self.write('helper.py', 'import json, os.path\nimport second')
        for name in ('second', 'late', 'unrelated'):
            self.write(f'{name}.py')
        self.write('tools/__init__.py')
        self.write('tools/deep.py', 'x = 1')
        self.write('tools/table.csv', '1,2')
        self.write('secrets.json', '{}')
        wanted = [
            'flow.py',
            'helper.py',
            'late.py',
            'second.py',
            'tools/__init__.py',
            'tools/deep.py',
            'tools/table.csv',
        ]
        self.assertEqual(sorted(gather(self.script())), wanted)

    def test_a_module_of_a_package_takes_the_whole_package(self):
        self.write('pack/__init__.py')
        self.write('pack/steps.py', 'def f(): pass')
        self.write('pack/other.py', 'import beside')
        self.write('beside.py')
        for ignored in (
            '.hidden',
            '__pycache__/a.pyc',
            'node_modules/x.js',
            'env/pyvenv.cfg',
            'env/lib.py',
            'build/lib.py',
        ):
            self.write(f'pack/{ignored}')
        self.write('pack/dist/__init__.py')
        files = gather(self.module('pack.steps'))
        self.assertEqual(
            sorted(files), ['beside.py', 'pack/__init__.py', 'pack/dist/__init__.py', 'pack/other.py', 'pack/steps.py']
        )

    def test_a_package_without_init_is_taken_too(self):
        self.write('space/steps.py', 'def f(): pass')
        self.assertEqual(sorted(gather(self.module('space.steps'))), ['space/steps.py'])

    def test_what_lies_in_another_folder_of_the_path_is_shipped_under_its_own_name(self):
        self.write('app/flow.py', 'import lib_tools')
        self.write('lib/lib_tools.py', '')
        sys.path.insert(0, os.path.join(self.folder, 'lib'))
        files = gather(Source('flow.py', 'f', os.path.join(self.folder, 'app/flow.py'), True))
        self.assertEqual(files['lib_tools.py'], os.path.join(self.folder, 'lib/lib_tools.py'))

    def test_patterns_of_culmignore_are_left_out(self):
        self.write('pack/__init__.py')
        self.write('pack/big/points.dat')
        self.write('pack/notes.txt')
        self.write('pack/keep.txt')
        self.write('.culmignore', '# comment\n\npack/big\nnotes.*\n')
        self.assertEqual(sorted(gather(self.module('pack'))), ['pack/__init__.py', 'pack/keep.txt'])

    def test_ignore_files_have_the_syntax_of_git_and_may_lie_further_down(self):
        for path in ('__init__.py', 'big/points.dat', 'big/small.dat', 'notes/a.txt', 'sub/x.csv', 'sub/y.csv'):
            self.write(f'pack/{path}')
        self.write('.culmignore', '/pack/big/*\n!small.dat\nnotes/\n')
        self.write('pack/sub/.culmignore', '/x.csv\n')
        left_out = {}
        files = gather(self.module('pack'), left_out)
        self.assertEqual(sorted(files), ['pack/__init__.py', 'pack/big/small.dat', 'pack/sub/y.csv'])
        self.assertEqual(left_out['pack/notes/'], '.culmignore, line 3')
        self.assertEqual(left_out['pack/sub/x.csv'], 'pack/sub/.culmignore, line 1')

    def test_what_is_left_out_is_told_with_the_reason(self):
        for path in ('__init__.py', '.hidden', '__pycache__/a.pyc', 'env/pyvenv.cfg', 'build/x', 'node_modules/y'):
            self.write(f'pack/{path}')
        os.symlink('/nothing/there', os.path.join(self.folder, 'pack/broken'))
        os.symlink(self.folder, os.path.join(self.folder, 'pack/linked'))
        left_out = {}
        gather(self.module('pack'), left_out)
        wanted = {
            'pack/.hidden': 'hidden',
            'pack/__pycache__/': 'made by Python',
            'pack/env/': 'a virtual environment',
            'pack/build/': 'made by a build',
            'pack/node_modules/': 'packages of Node',
            'pack/linked/': 'a link to a folder',
            'pack/broken': 'not a file',
        }
        self.assertEqual(left_out, wanted)

    def test_a_link_to_a_file_is_shipped_as_the_file_that_it_leads_to(self):
        self.write('pack/__init__.py')
        place = self.write('elsewhere/points.csv', '1,2')
        os.symlink(place, os.path.join(self.folder, 'pack/points.csv'))
        [entry] = [f for f in make_bundle(gather(self.module('pack'))).manifest['files'] if f['path'].endswith('csv')]
        self.assertEqual(entry['hash'], hashlib.sha256(b'1,2').hexdigest())

    def test_a_module_and_a_named_file_are_left_out_too_and_the_module_of_the_work_cannot_be(self):
        self.write('flow.py', 'import keys\nfrom culm import work\n@work(files=["*.txt"])\ndef f(): pass\n')
        for name in ('keys.py', 'a.txt', 'b.txt'):
            self.write(name)
        self.write('.culmignore', 'keys.py\nb.txt\n')
        left_out = {}
        self.load('flow')
        self.assertEqual(sorted(gather(self.module('flow'), left_out)), ['a.txt', 'flow.py'])
        self.assertEqual(left_out, {'keys.py': '.culmignore, line 1', 'b.txt': '.culmignore, line 2'})
        for line in ('flow.py', '*.py'):
            self.write('.culmignore', line)
            with self.assertRaises(CulmError) as caught:
                gather(self.module('flow'))
            self.assertIn('flow.py is left out: .culmignore, line 1', str(caught.exception))
        self.write('pack/sub/steps.py')
        self.write('pack/__init__.py')
        self.write('pack/sub/__init__.py')
        self.write('.culmignore', 'sub/')
        with self.assertRaises(CulmError) as caught:
            gather(Source('pack.sub.steps', 'f', os.path.join(self.folder, 'pack/sub/steps.py'), False))
        self.assertIn('pack/sub/ is left out', str(caught.exception))

    def test_credentials_are_refused_by_the_names_of_their_files(self):
        self.write('pack/__init__.py')
        self.write('pack/keys/id_rsa', 'whatever')
        self.write('pack/settings.py', f'TOKEN = "{"ghp" + "_" + "a1B2" * 9}"\n')
        self.write('pack/clean.py', 'TOKEN = os.environ["TOKEN"]\n')
        with self.assertRaises(CulmError) as caught:
            make_bundle(gather(self.module('pack')))
        said = str(caught.exception)
        self.assertEqual(caught.exception.code, 'bundle_has_credentials')
        self.assertIn('pack/keys/id_rsa (a private key of SSH), pack/settings.py (a token of GitHub)', said)
        self.assertNotIn('clean.py', said)
        self.assertRegex(said, r'\.culmignore.*culm secret set')
        self.write('.culmignore', 'id_rsa\nsettings.py\n')
        make_bundle(gather(self.module('pack')))

    def test_installed_modules_and_culm_itself_are_not_shipped(self):
        self.write('flow.py', 'import json, unittest.mock, pip, culm\nfrom culm import work')
        self.assertEqual(sorted(gather(self.script())), ['flow.py'])
        self.write('venv/lib/site-packages/installed_thing.py')
        sys.path.insert(0, os.path.join(self.folder, 'venv/lib/site-packages'))
        self.assertEqual(gather(self.module('installed_thing')), {})

    def test_files_that_a_work_asks_for_lie_beside_its_module(self):
        self.write('data/a.csv', 'a')
        self.write('data/b.csv', 'b')
        self.write('points.txt', 'c')
        self.write('flow.py', 'from culm import work\n@work(files=["data/*.csv", "points.txt"])\ndef f(): pass\n')
        self.load('flow')
        self.assertEqual(sorted(gather(self.module('flow'))), ['data/a.csv', 'data/b.csv', 'flow.py', 'points.txt'])

    def test_files_that_are_not_there_or_outside_are_refused(self):
        for pattern in ('nothing.*', '../*'):
            name = f'flow{len(pattern)}'
            self.write(f'inner/{name}.py', f'from culm import work\n@work(files=[{pattern!r}])\ndef f(): pass\n')
            self.write('outside.txt')
            sys.path.insert(0, os.path.join(self.folder, 'inner'))
            with self.assertRaises(CulmError) as caught:
                gather(self.module(name))
            self.assertEqual(caught.exception.code, 'bundle_failed')
            self.assertIn(pattern, str(caught.exception))

    def test_a_source_with_a_syntax_error_is_shipped_for_python_to_say_so(self):
        self.write('flow.py', 'import broken')
        self.write('broken.py', 'def :')
        self.assertEqual(sorted(gather(self.script())), ['broken.py', 'flow.py'])

    def test_too_much_is_refused_and_named(self):
        self.write('pack/__init__.py')
        self.write('pack/huge.bin', 'x' * 2000)
        for i in range(5):
            self.write(f'pack/many/f{i}.txt')
        files = gather(self.module('pack'))
        for name, limit, word in (('MAX_BYTES', 1000, 'pack/huge.bin'), ('MAX_FILES', 5, 'pack/many (5)')):
            before = getattr(_bundle, name)
            setattr(_bundle, name, limit)
            self.addCleanup(setattr, _bundle, name, before)
            with self.assertRaises(CulmError) as caught:
                make_bundle(files)
            self.assertIn(word, str(caught.exception))
            self.assertIn('.culmignore', str(caught.exception))
            setattr(_bundle, name, before)

    def test_the_same_sources_have_the_same_name_wherever_they_lie(self):
        names = []
        for place in ('one', 'two'):
            path = self.write(f'{place}/flow.py', 'x = 1')
            names.append(make_bundle(gather(Source('flow.py', 'f', path, True))).hash)
        self.assertEqual(names[0], names[1])


if __name__ == '__main__':
    unittest.main()
