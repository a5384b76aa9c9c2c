"""Where Culm's program for Node is, and the one command that starts a server, by what is installed."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import textwrap
import unittest
from unittest import mock

from support import PYTHON_FOLDER, FolderTest

from culm import _node
from culm.cli.program import run_cli


class Installations(FolderTest):
    """A machine with nothing on its path but what a test puts there; this package lies in `site-packages`."""

    def setUp(self):
        super().setUp()
        self.bin = os.path.join(self.folder, 'bin')
        os.mkdir(self.bin)
        env = mock.patch.dict(os.environ, {'PATH': self.bin, 'CULM_HOME': os.path.join(self.folder, 'home')})
        env.start()
        self.addCleanup(env.stop)
        os.environ.pop('CULM_SERVER', None)
        self.lies_in('site-packages')

    def lies_in(self, folder):
        around = mock.patch.object(_node, '_AROUND', os.path.join(self.folder, folder))
        around.start()
        self.addCleanup(around.stop)

    def program(self, path):
        place = self.write(path, '#!/bin/sh\n')
        os.chmod(place, 0o755)
        return place

    def npm_package(self, folder, **more):
        self.write(f'{folder}/package.json', json.dumps({'name': 'culm', **more}))
        return self.write(f'{folder}/dist/culm.js')

    def wheel(self):
        self.write('wheels/culm_server/__init__.py', "def command():\n    return ['/its/node', '/its/culm.js']\n")
        sys.path.insert(0, os.path.join(self.folder, 'wheels'))

    def run_cli(self, *words):
        out, err = io.StringIO(), io.StringIO()
        return run_cli(words, out, err), out.getvalue(), err.getvalue()

    def test_with_this_package_alone_it_is_to_be_installed_with_the_server(self):
        self.assertIsNone(_node.node_program())
        self.assertEqual(_node.start_command(), "pip install 'culm[server]' && culm up")
        self.program('bin/node')
        self.assertIsNone(_node.node_program())
        self.assertEqual(_node.install_command(), "pip install 'culm[server]'")

    def test_with_the_wheel_of_the_server_it_is_culm_up(self):
        self.wheel()
        self.assertEqual(_node.node_program(), ['/its/node', '/its/culm.js'])
        self.assertEqual(_node.start_command(), f'{sys.executable} -m culm up')
        self.program('bin/culm')
        self.assertEqual(_node.start_command(), 'culm up')

    def test_in_npm_s_package_it_is_npx_culm_up_or_culm_up_where_that_is_on_the_path(self):
        node = self.program('bin/node')
        script = self.npm_package('node_modules/culm')
        self.lies_in('node_modules/culm')
        self.assertEqual(_node.node_program(), [node, script])
        self.assertEqual(_node.start_command(), 'npx culm up')
        self.program('bin/culm')
        self.assertEqual(_node.start_command(), 'culm up')

    def test_beside_an_npm_package_that_is_installed_for_all_it_is_culm_up(self):
        node = self.program('bin/node')
        script = self.npm_package('lib/node_modules/culm')
        os.symlink(script, os.path.join(self.bin, 'culm'))
        os.chmod(script, 0o755)
        self.assertEqual(_node.node_program(), [node, os.path.realpath(script)])
        self.assertEqual(_node.start_command(), 'culm up')

    def test_in_a_checkout_it_is_npm_start(self):
        self.npm_package('checkout')
        self.write('checkout/scripts/start.mjs')
        self.lies_in('checkout')
        checkout = os.path.join(self.folder, 'checkout')
        self.assertIn('pip install', _node.start_command(), 'there is no npm')
        self.program('bin/npm')
        self.assertEqual(_node.start_command(), f'npm --prefix {checkout} start')
        self.assertEqual(_node.install_command(), f'npm --prefix {checkout} run prepare:all')
        before = os.getcwd()
        self.addCleanup(os.chdir, before)
        os.chdir(checkout)
        self.assertEqual(_node.start_command(), 'npm start')

    def test_without_a_server_a_command_says_the_one_that_starts_one(self):
        home = os.environ['CULM_HOME']
        code, out, err = self.run_cli('ls')
        self.assertEqual((code, out), (3, ''))
        self.assertEqual(
            err,
            f'error: there is no server in {home}\n'
            "help: Start one with `pip install 'culm[server]' && culm up`; `culm login URL`, or CULM_SERVER and "
            'CULM_TOKEN, name one elsewhere.\n',
        )
        self.wheel()
        self.program('bin/culm')
        self.assertIn('Start one with `culm up`;', self.run_cli('ls')[2])

    def test_what_takes_node_names_the_one_command_that_brings_it(self):
        self.write('scan.ts')
        for words, called in ((['up'], 'up'), (['token', 'ls'], 'token'), (['--json', 'doctor'], 'doctor')):
            code, out, err = self.run_cli(*words)
            self.assertEqual((code, out), (1, ''))
            self.assertIn(f'`culm {called}` takes the part of Culm that runs on Node', err)
            self.assertIn("pip install 'culm[server]'", err)
        self.assertIn('takes the part of Culm that runs on Node', self.run_cli('run', f'{self.folder}/scan.ts')[2])

    def test_what_takes_node_is_handed_to_it_with_all_its_words(self):
        said = os.path.join(self.folder, 'said')
        node = self.write('bin/node', f'#!/bin/sh\necho "$CULM_COMMAND: $*" > {said}\nexit 7\n')
        os.chmod(node, 0o755)
        script = self.npm_package('node_modules/culm')
        run = f"""
            import sys
            sys.path.insert(0, {PYTHON_FOLDER!r})
            from culm import _node
            from culm.cli.program import run_cli
            _node._AROUND = {os.path.dirname(os.path.dirname(script))!r}
            run_cli(['--quiet', 'up', '--slots', '2'])
        """
        ended = subprocess.run([sys.executable, '-c', textwrap.dedent(run)], check=False)
        self.assertEqual(ended.returncode, 7)
        with open(said, encoding='utf-8') as file:
            self.assertEqual(file.read(), f'culm: {script} --quiet up --slots 2\n')


if __name__ == '__main__':
    unittest.main()
