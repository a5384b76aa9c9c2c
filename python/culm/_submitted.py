"""Workflow functions that run as jobs: each is a workflow of its own, whose end and value are those of its job."""

from __future__ import annotations

import threading
from typing import Any, Callable, Dict, Mapping, Optional, Sequence, TypeVar

from ._calls import Call
from ._client import Client
from ._errors import CulmError
from ._pending import Pending
from ._run import place_of_function, program_name
from ._scope import Scope
from ._work import Work

R = TypeVar('R')


def start_as_job(
    work: Work[..., R], labels: Optional[Mapping[str, str]], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> SubmittedWorkflow[R]:
    """A program that is continued finds the one that it had started."""
    client = Client()
    scope = Scope(lambda: client, '', 'driver', 0)
    text = work.encoded(args, kwargs)
    task = work.task_in(scope, work.located([text], (args, kwargs)))
    task['args'] = scope.travelling(text)
    run = place_of_function(work.fn, args, kwargs, as_job=True).told(program_name())
    body: Dict[str, Any] = {'name': work.name[:200], 'kind': 'job', 'run': run, 'task': task}
    # Where its job runs is where the works that it calls run, in what they do not say themselves.
    said = {'labels': labels and dict(labels), 'environment': task['payload'].get('environment')}
    body.update((name, value) for name, value in said.items() if value)
    started = client.post('/v1/workflows', body, repeat=True)
    client.close()  # Thousands of handles that nobody looks at hold no connections.
    scope.workflow_id = started['workflowId']
    return SubmittedWorkflow(scope, _pending_of(scope, started['job']['taskId'], started['job']['jobId']), work)


def _pending_of(scope: Scope, task_id: str, job_id: str) -> Pending:
    pending = Pending(1, scope.journal)
    pending.task_id, pending.first_job_id = task_id, job_id
    return pending


class SubmittedWorkflow(Call[R]):
    """The handle of a workflow function that runs as a job: `.workflow_id`, `.result(timeout)`, `.cancel()`,
    `.retry()`.

    The workflow goes on without it. Nothing is asked of the server until it is looked at.
    """

    def __init__(self, scope: Scope, pending: Pending, work: Work[Any, Any]) -> None:
        super().__init__(scope, pending, work)
        self._lock = threading.Lock()
        self._listens = False

    def done(self) -> bool:
        self._listen()
        return super().done()

    def cancel(self) -> bool:
        """Asks for its end, and that of all that is under way of it. False when it had ended before."""
        try:
            path = f'/v1/workflows/{self.workflow_id}/cancel'
            self._scope.client.post(path, {'why': 'cancelled by its program'}, repeat=True)
        except CulmError as error:
            if error.code != 'not_cancellable':
                raise
            return False
        return True

    def retry(self) -> int:
        """Has it run again after it failed or was cancelled: the function from its first line, and of its calls those
        that had not finished. How many jobs that are; `result()` waits for its new end.

        Raises CulmError `not_retriable` when it has not ended, or is done.
        """
        client, workflow_id = self._scope.client, self.workflow_id
        path = f'/v1/workflows/{workflow_id}/retry'
        reply = client.post(path, {'why': 'retried by its program'}, repeat=True)
        with self._lock:
            self._scope = Scope(lambda: client, workflow_id, 'driver', 0)
            self._pending = _pending_of(self._scope, self._pending.task_id, self._pending.first_job_id)
            self._listens = False
        return int(reply['retried'])

    def _wait(self, look: Callable[[], Any], timeout: Optional[float] = None) -> Any:
        self._listen()
        try:
            return super()._wait(look, timeout)
        finally:
            self._leave_when_over()

    async def _told(self, look: Callable[[], Any]) -> Any:
        import asyncio

        await asyncio.to_thread(self._listen)
        try:
            return await super()._told(look)
        finally:
            self._leave_when_over()

    def _listen(self) -> None:
        with self._lock:
            if not self._listens:
                self._scope.listen(self._pending)
                self._listens = True

    def _leave_when_over(self) -> None:
        """What it was told stays; the stream is needed no longer."""
        if self._pending.has_all():
            self._scope.close(CulmError('workflow_ended', f'workflow {self.workflow_id} has ended'))
            self._scope.client.close()
