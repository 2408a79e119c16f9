"""The deadline of every request that MLflow's client sends, its retries and pauses included.

MLflow sends through sessions of `requests` and names their adapter in one place; here that adapter is replaced by its own subclass, for
tracking, registry and files alike. It belongs to this process: the script of a job sends as MLflow does by itself.
Imported only where a client is made, because it needs MLflow.
"""

import math
import re
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Self

import requests
from mlflow.utils import request_utils
from requests.adapters import HTTPAdapter
from requests.utils import super_len
from urllib3.exceptions import MaxRetryError, ResponseError
from urllib3.util import Retry

from lib.backends.call_deadline import (
    PROGRESS_BYTES,
    TIMEOUT_PHRASE,
    DeadlineExceeded,
    call_seconds,
    read_with_progress,
    run_with_deadline,
)
from lib.errors import BackendError

CONNECT_SECONDS = 5.0
_UPLOAD_BYTES_PER_SECOND = 20_000
"""How slowly a request's own body may go out: a file gets a second more for each so many bytes, a question and an entry get none."""
_CREATION_PATH = re.compile(r"/mlflow/((runs|model-versions)/create|logged-models)(\?|$)")
"""Requests that make one thing more when they are sent twice."""
_ADAPTER_NAME = "TCPKeepAliveHTTPAdapter"
_MlflowAdapter: Any = getattr(request_utils, _ADAPTER_NAME, HTTPAdapter)
_LOCK = threading.Lock()


class CallTimeout(requests.exceptions.Timeout):
    """A request that got no answer, or a file that did not come in, before its deadline."""

    def __init__(self, seconds: float, request: requests.PreparedRequest | None = None) -> None:
        super().__init__(f"{TIMEOUT_PHRASE} {seconds:.3g} s", request=request)
        self.seconds = seconds


def install_adapter() -> None:
    """Let MLflow's sessions send through `DeadlineAdapter`. Does so once.

    Raises BackendError when this MLflow makes its sessions in another way: a call could then hang for ever.
    """
    with _LOCK:
        if getattr(request_utils, _ADAPTER_NAME, None) is DeadlineAdapter:
            return
        setattr(request_utils, _ADAPTER_NAME, DeadlineAdapter)
        try:
            request_utils._cached_get_request_session.cache_clear()  # noqa: SLF001 - sessions that were made before have no deadline
            session = request_utils._get_request_session(0, 0, 0.0, frozenset(), True, True)  # noqa: SLF001, FBT003 - see above
            is_installed = isinstance(session.get_adapter("https://host"), DeadlineAdapter)
        except (AttributeError, TypeError):
            is_installed = False
        if not is_installed:
            raise BackendError(
                "The calls of the MLflow installed here cannot be given a deadline.",
                next="Install the MLflow that requirements.txt names.",
            )


class _Attempts(threading.local):
    """Until when the request of this thread may be sent again."""

    deadline = math.inf


_ATTEMPTS = _Attempts()


class BoundedRetry(Retry):
    """MLflow's own retries, as long as there is time, and only where a second sending does no harm.

    A write whose answer was lost is sent once more at once: most of what MLflow writes is the same when it is written twice. What would
    make a second run or version is never sent again, unless it surely did not arrive. Then the caller reads what became of it.
    """

    def increment(self, method: str | None = None, url: str | None = None, *args: Any, **failure: Any) -> Self:
        """The retry that follows a failure. Raises MaxRetryError when there is to be none."""
        following = super().increment(method, url, *args, **failure)
        response, error = failure.get("response"), failure.get("error")
        requested_pause = self.get_retry_after(response) if response is not None and self.respect_retry_after_header else None
        backoff = following.get_backoff_time()  # with a random part that is drawn again for the pause itself
        pause = requested_pause or (backoff + self.backoff_jitter if backoff else 0.0)
        is_late = time.monotonic() + pause >= _ATTEMPTS.deadline
        if is_late or not self._may_repeat(method or "", url or "", response, error):
            status = getattr(response, "status", "")
            raise MaxRetryError(
                failure["_pool"], url or "", error or ResponseError(ResponseError.SPECIFIC_ERROR.format(status_code=status))
            )
        return following

    def _may_repeat(self, method: str, url: str, response: Any, error: Exception | None) -> bool:
        if method in ("GET", "HEAD") or (error is not None and self._is_connection_error(error)):
            return True
        if _CREATION_PATH.search(url):
            return response is not None and response.status in (429, 503)
        earlier_errors = [attempt.error for attempt in self.history if attempt.error is not None]
        return error is None or all(self._is_connection_error(earlier_error) for earlier_error in earlier_errors)


class DeadlineAdapter(_MlflowAdapter):  # type: ignore[misc, unused-ignore]
    """MLflow's adapter with a deadline for each request as a whole, or of progress where much comes in or goes out."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.max_retries: Retry = BoundedRetry(**vars(self.max_retries))

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        """Send a request and wait for its answer. Raises CallTimeout at the deadline.

        The timeout that MLflow was given counts for each attempt where it is shorter.
        """
        seconds, timeout = call_seconds(), options.get("timeout")
        attempt_seconds = timeout if isinstance(timeout, int | float) else math.inf
        total = min(seconds, math.inf if self.max_retries.total else attempt_seconds)
        total += super_len(request.body) // _UPLOAD_BYTES_PER_SECOND if request.body else 0
        options["timeout"] = (min(CONNECT_SECONDS, attempt_seconds, total), min(attempt_seconds, total + 1))
        deadline, responses = time.monotonic() + total, list[requests.Response]()

        def exchange() -> requests.Response:
            _ATTEMPTS.deadline = deadline
            responses.append(super(DeadlineAdapter, self).send(request, *args, **options))
            if not options.get("stream") and _is_short(responses[0]):
                _ = responses[0].content  # read here, where it has the deadline
            return responses[0]

        try:
            response = run_with_deadline(exchange, total)
        except DeadlineExceeded:
            for response in responses:
                _end_reading(response.raw)
            raise CallTimeout(total, request) from None
        first_seconds = max(deadline - time.monotonic(), CONNECT_SECONDS)
        response.raw = _ProgressStream(response.raw, request, (seconds, min(first_seconds, seconds)))
        return response


def _end_reading(body: Any) -> None:
    """Let the thread that still reads a body end now, and not with the last byte that a server dribbles."""
    with suppress(ValueError, RuntimeError, OSError):  # it ended in this moment
        body.shutdown()


def _is_short(response: requests.Response) -> bool:
    """Whether an answer says that it has at most the bytes that must come in within one deadline."""
    length = response.headers.get("content-length", "")
    return length.isdecimal() and int(length) <= PROGRESS_BYTES


class _ProgressStream:
    """The body of an answer that is read piece by piece, with a deadline of progress; in all else the body itself."""

    def __init__(self, body: Any, request: requests.PreparedRequest, seconds: tuple[float, float]) -> None:
        """`seconds` are those of each deadline, and those of the first one."""
        self._body, self._request, self._seconds = body, request, seconds

    def stream(self, _: int | None, decode_content: bool | None = None) -> Iterator[bytes]:  # noqa: FBT001 - as urllib3 has it
        """The body in pieces of the size that must come in. Raises CallTimeout when one does not."""
        pieces = self._body.stream(PROGRESS_BYTES, decode_content=decode_content)
        try:
            yield from read_with_progress(pieces, *self._seconds)
        except DeadlineExceeded as error:
            _end_reading(self._body)
            raise CallTimeout(error.seconds, self._request) from None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._body, name)
