"""Errors: each cause has its class, and the traceback of the worker is there to read."""

from __future__ import annotations

import copy
import pickle
import traceback
import unittest

import support  # noqa: F401  (finds the package)

import culm
from culm._errors import CulmError, error_of


def outcome(cause='user', state='failed', **error):
    told = {'jobId': 'j5', 'taskId': 't4', 'index': 2, 'state': state, 'attempt': 3, 'cause': cause}
    return {**told, **({'error': error} if error else {})}


class Errors(unittest.TestCase):
    def test_each_cause_has_a_class(self):
        classes = {
            'user': culm.UserError,
            'memory': culm.MemoryLimit,
            'walltime': culm.WallTimeLimit,
            'bundle': culm.BundleError,
            'environment': culm.EnvironmentFailed,
            'site': culm.SiteError,
            'storage': culm.StorageError,
            'lost': culm.LostError,
            'runner': culm.RunnerError,
            'parent': culm.ParentFailed,
            'cancelled': culm.CallCancelled,
        }
        for cause, kind in classes.items():
            error = error_of(outcome(cause), 'square')
            self.assertIs(type(error), kind)
            self.assertIsInstance(error, culm.RemoteError)
            self.assertEqual(
                (error.code, error.job_id, error.task_id, error.index, error.attempt), (cause, 'j5', 't4', 2, 3)
            )

    def test_a_cancelled_job_without_a_cause_was_cancelled(self):
        told = outcome(state='cancelled')
        del told['cause']
        self.assertIs(type(error_of(told)), culm.CallCancelled)

    def test_the_text_has_the_remote_traceback(self):
        stack = 'Traceback (most recent call last):\n  File "steps.py", line 3, in train\nValueError: no data\n'
        error = error_of(outcome(type='ValueError', message='no data', stack=stack), 'train')
        printed = ''.join(traceback.format_exception(type(error), error, None))
        self.assertIn('culm.UserError: train (j5) raised ValueError: no data', printed)
        self.assertIn('File "steps.py", line 3, in train', printed)
        self.assertEqual(error.remote_traceback, stack)
        self.assertEqual((error.remote_type, error.remote_message), ('ValueError', 'no data'))

    def test_a_built_in_error_is_caught_by_its_own_name(self):
        for name, kind in (('ValueError', ValueError), ('KeyError', LookupError), ('FileNotFoundError', OSError)):
            error = error_of(outcome(type=name, message='m'))
            self.assertIsInstance(error, kind)
            self.assertIsInstance(error, culm.UserError)
            self.assertIn('m', str(error))

    def test_an_error_that_is_no_built_in_one_or_would_end_a_generator_is_a_plain_user_error(self):
        for name in (
            'requests.HTTPError',
            'StopIteration',
            'SystemExit',
            'KeyboardInterrupt',
            'print',
            'Exception',
            '',
        ):
            self.assertIs(type(error_of(outcome(type=name, message='m'))), culm.UserError)

    def test_errors_can_be_copied_and_pickled(self):
        for error in (error_of(outcome(type='ValueError', message='m')), CulmError('overloaded', 'd', 'h', {'x': 1})):
            for again in (copy.copy(error), pickle.loads(pickle.dumps(error))):
                self.assertEqual(str(again), str(error))
                self.assertIs(type(again), type(error))

    def test_a_refusal_says_which_fields_and_what_to_do(self):
        error = CulmError(
            'invalid_input',
            'a field is wrong',
            'see the schema',
            {'errors': [{'field': 'cores', 'problem': 'too many'}]},
        )
        self.assertEqual(str(error), 'a field is wrong (invalid_input)\ncores: too many\nsee the schema')


if __name__ == '__main__':
    unittest.main()
