"""How far a map has come, where somebody sees it."""

from __future__ import annotations

import html.parser
import io
import sys
import threading
import types
import unittest

from support import DEADLINE_SECONDS, ServerTest, eventually

from culm._progress import State


class Terminal(io.StringIO):
    def isatty(self):
        return True


class States(unittest.TestCase):
    def test_the_line_says_what_has_ended_and_what_is_left(self):
        self.assertEqual(State('f', 0, 0, 4, 1.24).text(), 'f 0/4, 1.2 s')
        self.assertEqual(State('f', 1, 1, 4, 20.0).text(), 'f 1/4, 1 failed, 20 s, about 1 min 0 s left')
        self.assertEqual(State('f', 4, 0, 4, 7265.0).text(), 'f 4/4, 2 h 1 min')

    def test_the_bar_is_well_formed_whatever_the_work_is_called(self):
        tags, words = [], []
        parser = html.parser.HTMLParser()
        parser.handle_starttag = lambda tag, attrs: tags.append((tag, dict(attrs)))
        parser.handle_data = words.append
        parser.feed(State('<lambda> & "co"', 2, 0, 5, 1.0).html())
        self.assertEqual([tag for tag, _ in tags], ['div', 'progress', 'span'])
        self.assertEqual((tags[1][1]['value'], tags[1][1]['max']), ('2', '5'))
        self.assertIn('<lambda> & "co" 2/5', ''.join(words))


class Shown(ServerTest):
    def setUp(self):
        super().setUp()
        self.write('steps.py', 'from culm import work\n@work\ndef f(x):\n    return x\n')
        self.f = self.load('steps').f

    def watch(self, calls):
        """Waits with a progress display in another thread; gives what awaits its end."""
        found = []
        thread = threading.Thread(target=lambda: found.append(calls.progress()))
        thread.start()
        self.addCleanup(thread.join, DEADLINE_SECONDS)

        def end():
            thread.join(DEADLINE_SECONDS)
            return found[0]

        return end

    def replace(self, name, stream):
        before = getattr(sys, name)
        setattr(sys, name, stream)
        self.addCleanup(setattr, sys, name, before)
        return stream

    def test_a_terminal_has_one_line_that_is_drawn_anew(self):
        terminal = self.replace('stderr', Terminal())
        calls = self.f.map([1, 2, 3])
        end = self.watch(calls)
        eventually(lambda: '\rf 0/3' in terminal.getvalue(), 'the first drawing')
        self.server.finish(self.server.job_of(calls.task_id), '1')
        eventually(lambda: '\rf 1/3' in terminal.getvalue(), 'the second')
        self.server.fail(self.server.job_of(calls.task_id, 1), type='ValueError', message='no')
        self.server.finish(self.server.job_of(calls.task_id, 2), '3')
        self.assertIs(end(), calls)
        *drawings, last = terminal.getvalue().split('\r')
        self.assertRegex(last, r'^f 3/3, 1 failed, [\d.]+ s\x1b\[K\n$')
        self.assertNotIn('\n', ''.join(drawings))
        self.assertEqual([o.ok for o in calls.settle()], [True, False, True])

    def test_elsewhere_nothing_is_written(self):
        file = self.replace('stderr', io.StringIO())
        out = self.replace('stdout', io.StringIO())
        calls = self.f.map([1])
        self.server.finish(self.server.job_of(calls.task_id), '1')
        self.assertEqual(calls.progress().result(), [1])
        self.assertEqual((file.getvalue(), out.getvalue()), ('', ''))

    def test_a_notebook_has_a_bar_that_is_updated(self):
        terminal = self.replace('stderr', Terminal())
        shown = []
        handle = types.SimpleNamespace(update=lambda bar: shown.append(bar))
        display = types.ModuleType('IPython.display')
        display.HTML = str
        display.display = lambda bar, display_id: shown.append(bar) or handle
        ipython = types.ModuleType('IPython')
        ipython.get_ipython = lambda: types.SimpleNamespace(kernel=1)
        for module in (ipython, display):
            before = sys.modules.get(module.__name__)
            sys.modules[module.__name__] = module
            restore = sys.modules.__setitem__ if before else sys.modules.pop
            self.addCleanup(restore, module.__name__, before)
        calls = self.f.map([1, 2])
        end = self.watch(calls)
        self.server.finish(self.server.job_of(calls.task_id), '1')
        eventually(lambda: '1/2' in shown[-1], 'an update')
        self.server.finish(self.server.job_of(calls.task_id, 1), '1')
        end()
        self.assertIn('2/2', shown[-1])
        self.assertIn('<progress value="2" max="2"', calls._repr_html_())
        self.assertEqual(terminal.getvalue(), '')

    def test_it_tells_the_program_nothing(self):
        """What the journal has of it is the same as of `settle`."""
        self.replace('stderr', Terminal())
        calls = self.f.map([1, 2])
        for index in (1, 0):
            self.server.finish(self.server.job_of(calls.task_id, index), '1')
        calls.progress()
        self.f.submit(3)
        self.assertIn('"seen":"[0,\\"t2\\"]"', self.server.requests_of('POST', '/v1/tasks')[-1][2].decode())


if __name__ == '__main__':
    unittest.main()
