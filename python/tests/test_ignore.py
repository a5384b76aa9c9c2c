"""Ignore files: what git leaves out, and nothing else."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import unittest

from support import FolderTest, fixture

from culm._ignore import IGNORE_FILE, IgnoreFiles


def is_ignored(ignored, path):
    return ignored.line_for(path.rstrip('/'), path.endswith('/')) is not None


class Vectors(FolderTest):
    def test_both_languages_leave_out_the_same(self):
        for number, tree in enumerate(fixture('ignore.json')['trees']):
            for path, text in tree['files'].items():
                place = os.path.join(self.folder, str(number), path)
                os.makedirs(os.path.dirname(place), exist_ok=True)
                with open(place, 'w', encoding='utf-8', newline='') as file:
                    file.write(text)
            ignored = IgnoreFiles(os.path.join(self.folder, str(number)))
            with self.subTest(tree['name']):
                self.assertEqual([p for p in tree['ignored'] if not is_ignored(ignored, p)], [])
                self.assertEqual([p for p in tree['kept'] if is_ignored(ignored, p)], [])

    def test_the_line_that_leaves_something_out_is_named(self):
        self.write(IGNORE_FILE, 'a\n\n*.txt\n')
        self.write(f'b/{IGNORE_FILE}', '\n/c/\n')
        ignored = IgnoreFiles(self.folder)
        self.assertEqual(ignored.line_for('x.txt'), '.culmignore, line 3')
        self.assertEqual(ignored.line_for('b/c/d/e'), 'b/.culmignore, line 2')
        self.assertIsNone(ignored.line_for('b/d'))


@unittest.skipUnless(shutil.which('git'), 'git is not installed')
class Git(FolderTest):
    """Any pattern: this translation is another one than that of TypeScript, so the vectors alone would not do."""

    PIECES = [*'ab.*?/[]!-\\ ', '**', '[ab]', '[!a]', '[a-c]', '[[:alpha:]]']
    NAMES = ['a', 'b', 'ab', 'abc', '.a', 'a.b', '*', '[', ']', '-', '!', 'a b']

    def test_leaves_out_what_we_do_for_any_pattern(self):
        paths = [path for top in self.NAMES for path in (f'f{top}', f'{top}/', *self.below(top))]
        for path in paths:
            self.write(path if not path.endswith('/') else f'{path}.keep')
        self.git('init', '--quiet')
        chance = random.Random(7)
        for _ in range(100):
            lines = [''.join(chance.choices(self.PIECES, k=chance.randint(1, 6))) for _ in range(chance.randint(1, 4))]
            self.write('.gitignore', '\n'.join(lines))
            shutil.copy(os.path.join(self.folder, '.gitignore'), os.path.join(self.folder, IGNORE_FILE))
            ours = IgnoreFiles(self.folder)
            told = self.git('check-ignore', '--no-index', '--stdin', '-z', input='\0'.join(p.rstrip('/') for p in paths))
            theirs = set(told.split('\0'))
            self.assertEqual(
                [p for p in paths if is_ignored(ours, p)], [p for p in paths if p.rstrip('/') in theirs], lines
            )

    def below(self, top):
        return [f'{top}/{name}/{last}' for name in self.NAMES[:5] for last in ('', 'a', 'ab/')]

    def git(self, *args, input=''):
        env = {**os.environ, 'HOME': self.folder, 'GIT_CONFIG_NOSYSTEM': '1', 'GIT_CONFIG_GLOBAL': os.devnull}
        ran = subprocess.run(['git', *args], cwd=self.folder, env=env, input=input, capture_output=True, text=True)
        self.assertIn(ran.returncode, (0, 1), ran.stderr)  # 1: none is ignored
        return ran.stdout


if __name__ == '__main__':
    unittest.main()
