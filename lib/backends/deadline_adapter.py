"""A deadline for every request of MLflow's client, including retries and pauses.

MLflow sends through `requests` sessions and names their adapter in one place. This module replaces that adapter with a subclass, for
tracking, registry and files alike. It affects this process only: job scripts use MLflow's own behaviour.
Imported only where a client is created, because it needs MLflow.
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
"""Minimum upload rate: a request gets one extra second per this many bytes of body. Queries and entries are too small to get any."""
_CREATION_PATH = re.compile(r"/mlflow/((runs|model-versions)/create|logged-models)(\?|$)")
"""Requests that create a duplicate if sent twice."""
_ADAPTER_NAME = "TCPKeepAliveHTTPAdapter"
_MlflowAdapter: Any = getattr(request_utils, _ADAPTER_NAME, HTTPAdapter)
_LOCK = threading.Lock()


class CallTimeout(requests.exceptions.Timeout):
    """A request without an answer, or a file that did not arrive, before its deadline."""

    def __init__(self, seconds: float, request: requests.PreparedRequest | None = None) -> None:
        super().__init__(f"{TIMEOUT_PHRASE} {seconds:.3g} s", request=request)
        self.seconds = seconds


def install_adapter() -> None:
    """Make MLflow's sessions send through `DeadlineAdapter`. Idempotent.

    Raises BackendError if this MLflow creates its sessions differently: a call could then hang forever.
    """
    with _LOCK:
        if getattr(request_utils, _ADAPTER_NAME, None) is DeadlineAdapter:
            return
        setattr(request_utils, _ADAPTER_NAME, DeadlineAdapter)
        try:
            request_utils._cached_get_request_session.cache_clear()  # noqa: SLF001 - earlier sessions have no deadline
            session = request_utils._get_request_session(0, 0, 0.0, frozenset(), True, True)  # noqa: SLF001, FBT003 - see above
            is_installed = isinstance(session.get_adapter("https://host"), DeadlineAdapter)
        except (AttributeError, TypeError):
            is_installed = False
        if not is_installed:
            raise BackendError(
                "Podium cannot set a time limit for the calls of the installed MLflow.",
                next="Install the MLflow version in requirements.txt.",
            )


class _Attempts(threading.local):
    """Time until which this thread's request may be retried."""

    deadline = math.inf


_ATTEMPTS = _Attempts()


class BoundedRetry(Retry):
    """MLflow's own retries while time remains, and only where a repeat is harmless.

    A write whose answer was lost is repeated once, immediately: most MLflow writes are idempotent. A request that could create a second run
    or version is never repeated unless it certainly did not arrive; the caller then reads the actual state.
    """

    def increment(self, method: str | None = None, url: str | None = None, *args: Any, **failure: Any) -> Self:
        """Return the retry after a failure. Raises MaxRetryError if there is to be none."""
        following = super().increment(method, url, *args, **failure)
        response, error = failure.get("response"), failure.get("error")
        requested_pause = self.get_retry_after(response) if response is not None and self.respect_retry_after_header else None
        backoff = following.get_backoff_time()  # its random part is drawn again for the actual pause
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
    """MLflow's adapter with a deadline for each complete request, or a progress deadline for large transfers."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.max_retries: Retry = BoundedRetry(**vars(self.max_retries))

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        """Send a request and wait for its answer. Raises CallTimeout at the deadline.

        MLflow's own timeout applies to each attempt if it is shorter.
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
                _ = responses[0].content  # read here, under the deadline
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
    """Stop the thread that is still reading a body now, not when a slow server sends its last byte."""
    with suppress(ValueError, RuntimeError, OSError):  # it has just ended
        body.shutdown()


def _is_short(response: requests.Response) -> bool:
    """Whether an answer declares no more bytes than must arrive within one deadline."""
    length = response.headers.get("content-length", "")
    return length.isdecimal() and int(length) <= PROGRESS_BYTES


class _ProgressStream:
    """A response body read piece by piece with a progress deadline; otherwise a proxy for the body itself."""

    def __init__(self, body: Any, request: requests.PreparedRequest, seconds: tuple[float, float]) -> None:
        """Take the seconds of each deadline and of the first one as `seconds`."""
        self._body, self._request, self._seconds = body, request, seconds

    def stream(self, _: int | None, decode_content: bool | None = None) -> Iterator[bytes]:  # noqa: FBT001 - urllib3's signature
        """Yield the body in pieces of `PROGRESS_BYTES`. Raises CallTimeout if one does not arrive in time."""
        pieces = self._body.stream(PROGRESS_BYTES, decode_content=decode_content)
        try:
            yield from read_with_progress(pieces, *self._seconds)
        except DeadlineExceeded as error:
            _end_reading(self._body)
            raise CallTimeout(error.seconds, self._request) from None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._body, name)
