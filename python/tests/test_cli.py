"""The command line: what it takes, how it writes, how it shows progress. Beside the one for Node, on a real server, it
is tested in `test/end-to-end/pythonCli.test.ts`."""

from __future__ import annotations

import datetime
import http.server
import io
import json
import math
import os
import shutil
import ssl
import subprocess
import sys
import threading
import unittest

from support import DEADLINE_SECONDS, PYTHON_FOLDER, FolderTest, eventually

from culm.cli.cli import Cli
from culm.cli.look.states import state_text, with_numbers
from culm.cli.look.style import Style, style_of
from culm.cli.look.table import Column, Painted, table
from culm.cli.look.text_width import cut_text, plain_line, text_width
from culm.cli.look.times import ago, duration
from culm.cli.look.values import json_of, megabytes, number_text, show_arguments, show_sent
from culm.cli.output import Output
from culm.cli.program import run_cli
from culm.cli.progress.live import open_live
from culm.cli.progress.progress import Group, Progress, View
from culm.cli.progress.render import progress_lines, progress_sentence
from culm.cli.quantities import attempts, label, memory_mb, seconds, secret, secret_file, whole
from culm.cli.similar import similar
from culm.cli.verb import Argument, Option, read_words

NOW = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.timezone.utc)
PLAIN = Style(colored=False, unicode=True, columns=80, now=NOW)
COLORED = PLAIN._replace(colored=True)


class Tty(io.StringIO):
    def isatty(self):
        return True


class Words(unittest.TestCase):
    def test_numbers_are_written_as_javascript_writes_them(self):
        for number, text in ((3, '3'), (0.5, '0.5'), (2e-05, '0.00002'), (2.5e-09, '2.5e-9'), (1e21, '1e+21')):
            self.assertEqual(number_text(number), text)

    def test_quantities_are_read_as_people_write_them(self):
        for text, mb in (('2GB', 2000), ('512', 512), ('1.1 GB', 1100), ('1GiB', 1074), ('4G', 4000), ('900kB', 1)):
            self.assertEqual(memory_mb(text), mb, text)
        for text, s in (('90s', 90), ('90', 90), ('1h30m', 5400), ('1 d 12 h', 129_600), ('0.5h', 1800), ('1.5S', 2)):
            self.assertEqual(seconds(text), s, text)
        self.assertEqual((whole(0)('0'), label('b=2=3')), (0, ('b', '2=3')))
        self.assertEqual((attempts('3'), attempts('user=2,lost=9')), ({'user': 3}, {'user': 2, 'lost': 9}))
        self.assertEqual(attempts('memory=3,walltime=2,runner=4'), {'memory': 3, 'walltime': 2, 'runner': 4})
        self.assertEqual(secret('a=B'), {'name': 'a', 'env': 'B'})
        self.assertEqual(secret_file('a=f:B'), {'name': 'a', 'file': 'f', 'env': 'B'})
        refused = [
            *((memory_mb, text) for text in ('', 'much', '2GBs', '-1GB', '0', '1e3MB', '2PB')),
            *((attempts, text) for text in ('', '0', 'mine=3', 'user=', 'user=2,')),
            *((seconds, text) for text in ('', 'soon', '10x', 'm', '-5s', '0', '1h30')),
            *((whole(1), text) for text in ('0', '-1', '1.5', 'x', '1e3', '', '٣')),
            *((label, '=1'), (label, 'x'), (secret, 'a'), (secret, 'a=1'), (secret_file, 'a=b/c')),
        ]
        for read, text in refused:
            with self.subTest(text), self.assertRaises(ValueError):
                read(text)

    def test_options_stand_anywhere_before_two_dashes_and_after_those_all_is_text(self):
        options = [
            *(Option('-n, --many <n>', '', int), Option('-c, --maybe [id]', '')),
            Option('--each <x>', '', gathers=True),
        ]
        arguments = [Argument('<first>'), Argument('[rest...]')]

        def read(*words):
            given = read_words(words, options, arguments, 'x')
            return given.first, given.rest, given.many, given.maybe, given.each

        self.assertEqual(read('a', '-n3', 'b', '--json'), ('a', ['b'], 3, None, None))
        self.assertEqual(read('--many', '3', 'a', '-c'), ('a', [], 3, True, None))
        self.assertEqual(read('-c', 'w1', 'a', '--each', 'x', '--each=y'), ('a', [], None, 'w1', ['x', 'y']))
        after = ['-7', '-n', '--', '--json']
        self.assertEqual(read('a', '-7', '--', '-n', '--', '--json'), ('a', after, None, None, None))

    def test_a_mistyped_word_is_guessed_when_it_is_near(self):
        verbs = ['ls', 'logs', 'login', 'show', 'submit', 'watch']
        self.assertEqual(similar('lss', verbs), ' (Did you mean ls?)')
        self.assertEqual(similar('losg', verbs), ' (Did you mean logs?)')
        self.assertEqual(similar('logx', ['logs', 'logi', 'show']), ' (Did you mean one of logi, logs?)')
        self.assertEqual(similar('--al', ['--all', '--limit']), ' (Did you mean --all?)')
        self.assertEqual(similar('frobnicate', verbs), '')

    def test_help_and_version_are_answers(self):
        for words in (['--help'], ['help', 'submit'], ['submit', '-h'], ['--version']):
            out, err = io.StringIO(), io.StringIO()
            self.assertEqual((run_cli(words, out, err), err.getvalue()), (0, ''))
            self.assertRegex(out.getvalue(), r'^Usage: culm|^\d')


class Looks(unittest.TestCase):
    def test_a_table_aligns_what_people_see_and_fits_the_terminal(self):
        columns = [Column('id'), Column('name', flexible=True), Column('jobs', right=True)]
        rows = [['w1', '測定', '7'], ['w12', 'fit', '1000']]
        self.assertEqual(table(columns, rows, PLAIN), ['ID   NAME  JOBS', 'w1   測定     7', 'w12  fit   1000'])
        long = [['w1', 'a name that is far too long for this', '7']]
        narrow = table(columns, long, PLAIN._replace(columns=30))
        self.assertEqual(narrow[1], 'w1  a name that is far …     7')
        self.assertIn('far too long for this', table(columns, long, PLAIN._replace(columns=math.inf))[1])
        painted = [[Painted('on', COLORED.painter('green')), 'x', '']]
        self.assertEqual(table(columns, painted, COLORED)[1], '\033[32mon\033[39m  x')

    def test_what_comes_from_elsewhere_cannot_move_the_cursor(self):
        self.assertEqual(plain_line('a\033[2Jb\nc\x9b1A'), 'a [2Jb c 1A')
        self.assertEqual(table([Column('name')], [['a\033[31mb']], PLAIN)[1], 'a [31mb')
        self.assertEqual(show_sent({'text': json.dumps('\033[2Jx\ny')}, PLAIN), ' [2Jx\ny')

    def test_a_text_is_cut_by_what_people_see_never_inside_a_character(self):
        self.assertEqual((cut_text('abcdef', 4), cut_text('abcd', 4)), ('abc…', 'abcd'))
        self.assertEqual(cut_text('👩‍🔬👩‍🔬👩‍🔬', 4), '👩‍🔬…')
        self.assertEqual([text_width(text) for text in ('e\u0301', '測', 'x', '👩🏽')], [1, 2, 1, 2])

    def test_a_state_has_its_numbers_beside_it_and_a_symbol_beside_its_colour(self):
        counts = {'total': 20, 'finished': 18, 'failed': 2}
        self.assertEqual(with_numbers('finished', counts), 'finished 18/20, 2 failed')
        counts = {'total': 3, 'failed': 1, 'cancelled': 1, 'closed': 1}
        self.assertEqual(with_numbers('failed', counts), 'failed 0/3, 1 failed, 2 cancelled')
        self.assertEqual(with_numbers('running', {'total': 0}), 'running')
        self.assertEqual(state_text('job', 'finished', PLAIN), '✓ finished')
        self.assertEqual(state_text('workflow', 'finished', PLAIN), '◐ finished')
        self.assertEqual(state_text('workflow', 'failed', PLAIN._replace(unicode=False)), 'x failed')
        self.assertEqual(state_text('workflow', 'failed', COLORED), '\033[31m✗ failed\033[39m')
        self.assertEqual(state_text('job', 'of-tomorrow', PLAIN), '● of-tomorrow')

    def test_times_durations_and_sizes_are_told_in_the_units_that_matter(self):
        told = [duration(s) for s in (0.42, 12.3, 185, 7800, 273_600)]
        self.assertEqual(told, ['0.4 s', '12 s', '3 m 05 s', '2 h 10 m', '3 d 4 h'])
        agos = ['2026-03-01T12:00:05Z', '2026-03-01T11:59:18.123Z', '2026-03-01T11:00:00Z', '2026-02-26T12:00:00Z']
        self.assertEqual([ago(at, NOW) for at in agos], ['0s', '41s', '1h', '3d'])
        self.assertEqual([megabytes(mb) for mb in (0.4, 812.3, 1300)], ['0.4 MB', '812 MB', '1.3 GB'])

    def test_values_and_arguments_are_shown_as_python_writes_them(self):
        self.assertEqual(show_arguments({'text': '{"a":[3,"x"],"k":{"scale":[1,2]}}'}, PLAIN), "3, 'x', scale=[1, 2]")
        self.assertEqual(show_sent({'text': '{"chi2":3.5,"ok":true}'}, PLAIN), "{'chi2': 3.5, 'ok': True}")
        self.assertEqual(show_sent({'text': '"text"'}, PLAIN), 'text')
        self.assertEqual(show_sent({'text': '{"$culm":"of-tomorrow","v":1}'}, PLAIN), '{"$culm":"of-tomorrow","v":1}')
        stored = {'blob': 'ab' * 32, 'bytes': 2_000_000}
        self.assertEqual(show_sent(stored, PLAIN), '(2.0 MB, stored as abababababab)')
        self.assertEqual(json_of(stored), {'$culm': 'stored', 'v': stored})

    def test_colours_are_for_terminals_unless_the_environment_says_otherwise(self):
        tty, pipe = Output(Tty()), Output(io.StringIO())

        def colored(output, env, plain=False):
            return style_of(output, env, plain).colored

        self.assertTrue(colored(tty, {}))
        self.assertFalse(colored(tty, {'NO_COLOR': '1'}) or colored(tty, {'TERM': 'dumb'}) or colored(pipe, {}))
        self.assertTrue(colored(pipe, {'FORCE_COLOR': '1'}))
        self.assertFalse(colored(pipe, {'FORCE_COLOR': '1'}, plain=True))
        style = style_of(pipe, {'LANG': 'C'}, plain=True)
        self.assertEqual((style.columns, style.unicode), (math.inf, False))


class ShowsProgress(unittest.TestCase):
    WORKFLOW = {'id': 'w12', 'name': 'main', 'state': 'running', 'createdAt': '2026-03-01T12:00:00Z', 'endedAt': None}

    def view(self, *groups):
        return View('w12', 'main', 'running', 12.3, groups)

    def test_tasks_of_one_name_are_one_group_and_news_of_a_task_replaces_what_was_known_of_it(self):
        progress = Progress(self.WORKFLOW)
        progress.see_task('t1', 'fit', {'total': 10, 'running': 4, 'activated': 6})
        progress.see_task('t2', 'sum', {'total': 1, 'pending': 1})
        progress.see_task('t3', 'fit', {'total': 5, 'failed': 1, 'cancelled': 1, 'running': 3})
        progress.see_task('t1', 'fit', {'total': 10, 'running': 1, 'finished': 9})
        groups = [group._replace(rate=None) for group in progress.view().groups]
        self.assertEqual(groups, [Group('fit', 15, 9, 1, 1, 4), Group('sum', 1)])
        self.assertFalse(progress.is_quiet)

    def test_progress_is_a_head_and_a_line_per_group_and_no_line_is_wider_than_the_terminal(self):
        scan = self.view(Group('simulate', 1000, 312, 2, 0, 8, 118.2), Group('sum', 20))
        self.assertEqual(
            progress_lines(scan, PLAIN),
            [
                'w12 main ● running 12 s',
                '  simulate  █████████▒···················  314/1000  8 running  2 failed  118/s',
                '  sum       ·····························      0/20',
            ],
        )
        narrow = progress_lines(scan, PLAIN._replace(columns=44))
        self.assertEqual(narrow[1], '  simulate  314/1000  8 running  2 failed')
        for columns in range(10, 140):
            for line in progress_lines(scan, PLAIN._replace(columns=columns)):
                self.assertLess(text_width(line), columns, line)

    def test_a_bar_is_full_only_when_all_has_ended_and_empty_only_when_nothing_has(self):
        style = PLAIN._replace(columns=60, unicode=False)

        def bar(**more):
            return progress_lines(self.view(Group('x', **more)), style)[1].split('  ')[2]

        self.assertRegex(bar(total=100_000, finished=1), r'^#\.+$')
        self.assertRegex(bar(total=100_000, finished=99_999), r'^#+\.$')
        self.assertRegex(bar(total=3, finished=3), '^#+$')
        self.assertRegex(bar(total=3, failed=3), '^x+$')
        self.assertRegex(bar(), r'^\.+$')

    def test_of_many_groups_the_newest_are_shown_and_elsewhere_it_is_a_sentence(self):
        lines = progress_lines(self.view(*(Group(f'step-{i}', 1) for i in range(15))), PLAIN)
        self.assertEqual((lines[1], len(lines)), ('  and 3 more', 14))
        self.assertIn('step-14', lines[-1])
        self.assertEqual(progress_sentence(self.view()), 'w12 main running, 12 s')
        two = self.view(Group('a', 4, 1, 1, 0, 2, 9.5), Group('b', 2))
        self.assertEqual(progress_sentence(two), 'w12 main running, 12 s: a 2/4, 2 running, 1 failed, 9.5/s; b 0/2')

    def test_on_a_terminal_it_is_drawn_in_place_below_what_the_program_prints(self):
        terminal = Tty()
        cli = Cli([], {'NO_COLOR': '1'}, Output(terminal), Output(terminal))
        live = open_live(cli)
        live.show(self.view(Group('fit', 2, 1)))
        eventually(lambda: '1/2' in terminal.getvalue(), 'it is drawn')
        cli.stdout.write('half a line')
        live.show(self.view(Group('fit', 2, 2))._replace(state='done'))
        live.end()
        head, tail = terminal.getvalue().rsplit('half a line\n', 1)
        self.assertTrue(head.endswith('\033[2A\033[0J'), 'the drawing is taken away before the line')
        self.assertRegex(tail, r'^w12 main ✓ done 12 s\n  fit  █{30}  2/2\n$')

    def test_nobody_is_told_who_does_not_want_to_be(self):
        terminal = Tty()
        cli = Cli([], {}, Output(terminal), Output(terminal))
        cli.quiet = True
        live = open_live(cli)
        live.show(self.view(Group('fit', 2, 1)))
        live.end()
        self.assertEqual(terminal.getvalue(), '')


@unittest.skipUnless(shutil.which('openssl'), 'openssl makes the certificate')
class Tls(FolderTest):
    """A server that speaks TLS, with a certificate that nobody knows."""

    def setUp(self):
        super().setUp()
        self.certificate, key = os.path.join(self.folder, 'cert.pem'), os.path.join(self.folder, 'key.pem')
        name = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost']
        made = ['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', *name]
        subprocess.run([*made, '-keyout', key, '-out', self.certificate], check=True, capture_output=True)
        self.server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Me)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)

    def login(self, **more):
        env = {'PATH': os.environ['PATH'], 'CULM_HOME': f'{self.folder}/home', 'PYTHONPATH': PYTHON_FOLDER, **more}
        words = [sys.executable, '-m', 'culm', 'login', f'https://localhost:{self.server.server_port}']
        return subprocess.run(
            words, env=env, input='of-ann', capture_output=True, text=True, check=False, timeout=DEADLINE_SECONDS
        )

    def test_a_login_trusts_only_certificates_that_an_authority_has_signed(self):
        refused = self.login()
        self.assertEqual(refused.returncode, 3)
        self.assertRegex(refused.stderr, '^error: the server cannot be trusted: .*certificate.*\nhelp: .*SSL_CERT_FILE')
        self.assertFalse(os.path.exists(f'{self.folder}/home'))
        self.assertEqual(Me.tokens, [])
        trusted = self.login(SSL_CERT_FILE=self.certificate)
        kept = f'kept in {self.folder}/home/login.json, for you alone\n'
        self.assertEqual((trusted.returncode, trusted.stderr), (0, kept))
        self.assertEqual(Me.tokens, ['Bearer of-ann'])


class Me(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    tokens: list = []

    def do_GET(self):
        self.tokens.append(self.headers['Authorization'])
        me = {'kind': 'user', 'name': 'ann', 'experiment': 'e', 'groups': [], 'roles': [], 'serverVersion': '1'}
        body = json.dumps(me).encode()
        self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


if __name__ == '__main__':
    unittest.main()
