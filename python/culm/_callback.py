"""External completion: a job ends without its value, which somebody outside posts later."""

from __future__ import annotations

import datetime

from ._errors import CulmError
from ._scope import enclosing_scope


class Callback:
    """Where the value of a job is to be posted. The job returns it in place of a value.

    `url` is the whole address, signed: whoever has it may post, once, until `expires_at`.
    """

    def __init__(self, url: str, expires: str, job_id: str, attempt: int) -> None:
        self.url = url
        self.expires_at = datetime.datetime.fromisoformat(expires.replace('Z', '+00:00'))
        #: As the server wrote it.
        self.expires = expires
        self.job_id = job_id
        self.attempt = attempt

    def __repr__(self) -> str:
        return f'<callback of {self.job_id}, until {self.expires}>'


def callback(*, seconds: int = 86_400) -> Callback:
    """An address to which the value of this job may be posted from outside, for so many seconds (a year at most).

    A work that returns it ends without a value and takes no slot; its caller waits until somebody has posted
    `{"value": ...}`, or `{"error": {"type": ..., "message": ...}}`, by which it fails:

        @work
        def ask(question):
            later = culm.callback(seconds=86_400)
            send_mail(question, later.url)
            return later

    Raises CulmError `callback_misplaced` outside of a job.
    """
    scope = enclosing_scope()
    if scope is None or not scope.is_job or scope.importing:
        why = 'callback was called outside of a job, so there is nothing that could wait for a value'
        raise CulmError('callback_misplaced', why)
    reply = scope.client.post(f'/v1/jobs/{scope.name}/callback', {'seconds': seconds}, repeat=True)
    return Callback(scope.client.url + reply['path'], reply['expiresAt'], scope.name, scope.epoch)
