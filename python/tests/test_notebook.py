"""Real notebooks, run by nbclient in a real kernel against a real server.

Needs `nbclient` and `ipykernel` (scripts/test-setup.sh), and CULM_TEST_SERVER with CULM_TEST_TOKEN.
"""

from __future__ import annotations

import os
import re
import textwrap
import unittest

from support import PYTHON_FOLDER, FolderTest

from culm import Client

try:
    import nbclient
    import nbformat
except ImportError:
    nbclient = nbformat = None

SERVER, TOKEN = os.environ.get('CULM_TEST_SERVER'), os.environ.get('CULM_TEST_TOKEN')
EXAMPLE = os.path.join(os.path.dirname(PYTHON_FOLDER), 'examples', 'notebook', 'toys.ipynb')


@unittest.skipUnless(nbclient, 'nbclient is not installed for this interpreter')
@unittest.skipUnless(SERVER and TOKEN, 'no server is named by CULM_TEST_SERVER and CULM_TEST_TOKEN')
class Notebook(FolderTest):
    def setUp(self):
        super().setUp()
        before = {name: os.environ.get(name) for name in ('CULM_SERVER', 'CULM_TOKEN', 'PYTHONPATH')}
        self.addCleanup(self.restore, before)
        os.environ.update({'CULM_SERVER': SERVER, 'CULM_TOKEN': TOKEN, 'PYTHONPATH': PYTHON_FOLDER})
        self.client = Client(SERVER, TOKEN)
        self.addCleanup(self.client.close)

    def restore(self, before):
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.__setitem__(name, value)

    def run_cells(self, *cells):
        """The outputs of each cell; what one raises is an output too."""
        sources = [nbformat.v4.new_code_cell(textwrap.dedent(cell).strip()) for cell in cells]
        return self.run_notebook(nbformat.v4.new_notebook(cells=sources))

    def run_notebook(self, notebook):
        options = {'timeout': 120, 'kernel_name': 'python3', 'allow_errors': True}
        nbclient.NotebookClient(notebook, resources={'metadata': {'path': self.folder}}, **options).execute()
        return [cell.outputs for cell in notebook.cells if cell.cell_type == 'code']

    def text(self, outputs):
        """What a cell printed and showed, as plain text without colours."""
        parts = [
            output.get('text') or '\n'.join(output.get('traceback', [])) or output.get('data', {}).get('text/plain', '')
            for output in outputs
        ]
        return re.sub(r'\x1b\[[\d;]*m', '', '\n'.join(parts))

    def test_works_are_defined_redefined_and_use_what_the_cells_have(self):
        outputs = self.run_cells(
            """
            import dataclasses, math
            from culm import work, workflow

            scale = 3

            @dataclasses.dataclass
            class Point:
                x: float
            """,
            """
            def helper(p):
                return Point(p.x * scale)

            @work
            def f(p):
                return helper(p)

            f(Point(1))
            """,
            'scale = 5\nf(Point(1))',
            """
            @work
            def f(p):
                return helper(p).x + math.floor(0.5)

            f.map([Point(i) for i in range(3)]).result()
            """,
            'work(lambda x: x + scale)(1)',
            """
            @workflow
            def main(n):
                return sum(f.map([Point(i) for i in range(n)]))

            @workflow
            async def later(n):
                return await f.aio(Point(n))

            main(3), later(2), await f.aio(Point(4))
            """,
        )
        shown = [self.text(each) for each in outputs]
        self.assertEqual(shown[1:], ['Point(x=3)', 'Point(x=5)', '[0, 5, 10]', '6', '(15, 10, 20)'])

    def test_a_traceback_shows_the_cell_and_its_line(self):
        outputs = self.run_cells(
            'from culm import work',
            """
            # a comment
            @work
            def f(x):

                return 1 / x

            f(0)
            """,
        )
        said = self.text(outputs[1])
        self.assertIn('File "<cell 2>", line 5, in f\n    return 1 / x', said)
        self.assertIn('UserError', said)

    def test_what_cannot_go_along_is_named(self):
        outputs = self.run_cells('from culm import work\nlog = open("log.txt", "w")', 'work(lambda: log.write("x"))()')
        said = self.text(outputs[1])
        self.assertIn('uses the global variable `log`, which is a _io.TextIOWrapper', said)
        self.assertIn('Open it inside the function, by its path.', said)

    def test_a_cell_that_is_run_again_unchanged_finds_its_runner_warm(self):
        cell = """
            import os
            from culm import work

            @work
            def f(x):
                return os.getpid()

            print('pid', f(1), f._bundle(__import__('culm')._work.calling(), f.located([], [])))
        """
        outputs = self.run_cells(cell, cell)
        self.assertRegex(self.text(outputs[0]), r'pid \d+ [0-9a-f]{64}')
        self.assertEqual(self.text(outputs[0]), self.text(outputs[1]))

    def test_progress_is_a_bar_that_ends_full(self):
        outputs = self.run_cells(
            'from culm import work\nsquare = work(lambda x: x * x, name="square")',
            'calls = square.map(range(20)).progress()\nsum(calls)',
            'calls',
        )
        bar, total = outputs[1]
        self.assertIn('<progress value="20" max="20"', bar['data']['text/html'])
        self.assertIn('square 20/20', bar['data']['text/html'])
        self.assertEqual(total['data']['text/plain'], '2470')
        self.assertIn('<progress value="20"', outputs[2][0]['data']['text/html'])

    def test_the_example_gives_what_it_shows(self):
        with open(EXAMPLE, encoding='utf-8') as file:
            notebook = nbformat.read(file, as_version=4)
        nbformat.validate(notebook)
        wanted = [self.text(cell.outputs) for cell in notebook.cells if cell.cell_type == 'code']
        outputs = self.run_notebook(notebook)
        shown = [self.text([o for o in each if 'text/html' not in o.get('data', {})]) for each in outputs]
        self.assertEqual(shown, wanted)


if __name__ == '__main__':
    unittest.main()
