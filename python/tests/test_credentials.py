"""Credentials are known by their names and by what they begin with."""

from __future__ import annotations

import unittest

from support import fixture

from culm._credentials import credential_in


class Vectors(unittest.TestCase):
    def test_both_languages_know_the_same_names(self):
        for path, says in fixture('credentials.json')['names']:
            with self.subTest(path):
                self.assertEqual(credential_in(path, b''), says)

    def test_both_languages_know_the_same_contents_wherever_in_a_file_they_stand(self):
        for parts, says in fixture('credentials.json')['contents']:
            content = ''.join(parts).encode()
            with self.subTest(content[:40]):
                self.assertEqual(credential_in('notes.txt', content), says)
                self.assertEqual(credential_in('data.bin', b'\xff' * 999 + b'\n' + content + b'\0\xe9'), says)


if __name__ == '__main__':
    unittest.main()
