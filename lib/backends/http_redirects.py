"""Refuse and report redirects: one could lead to any host with any sign-in.

Imported only where a request was made, because it needs `requests`.
"""

from typing import Any
from urllib.parse import urlsplit

from requests.exceptions import RequestException

from lib.errors import Unreachable

REDIRECT_PHRASE = "Podium does not follow redirects"
"""Start of a `RedirectRefused` message, for callers that pass on only the text of their cause."""


class RedirectRefused(RequestException):
    """An answer that redirects to another address."""

    def __init__(self, location: str, **options: Any) -> None:
        super().__init__(f"{REDIRECT_PHRASE} to {_host_of(location) or 'another path'}", **options)
        self.location = location


def refuse_redirect(response: Any, **_: Any) -> None:
    """Response hook for `requests`. Raises RedirectRefused for a redirect."""
    if response.is_redirect:
        raise RedirectRefused(response.headers.get("location", ""), request=response.request, response=response)


def redirect_error(location: str = "") -> Unreachable:
    """Return the error for a redirect; the target may be unknown."""
    host = _host_of(location)
    return Unreachable(
        f"The server redirects this request{f' to {host}' if host else ''}, and Podium does not follow redirects.",
        means="Nothing was read or written.",
        next="Set the backend's address to the final address, or ask the server's administrator.",
    )


def _host_of(location: str) -> str:
    try:
        return urlsplit(location).hostname or ""
    except ValueError:
        return ""
